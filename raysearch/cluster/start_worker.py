"""The script with which a raylet of ours starts a worker; it becomes the worker at once.

Ray's own, ``setup_worker.py``, imports all of Ray to read one argument, and the worker then imports
it again: a third of a second of each process. What this one does not know it leaves to Ray's.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

CONTEXT = "--serialized-runtime-env-context="
LANGUAGE = "--language="


def command(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The worker's command, and what its environment has beside this process's.

    Args:
        words: What the raylet wrote behind the name of this script.
    """
    own = [word for word in words if word.startswith((CONTEXT, LANGUAGE))]
    rest = [word for word in words if word not in own]
    said = dict(word.split("=", 1) for word in own)
    context = json.loads(said.get(CONTEXT[:-1]) or "{}")
    variables = context.pop("env_vars", None) or {}
    python = context.pop("py_executable", None) or sys.executable
    plain = said.get(LANGUAGE[:-1]) == "PYTHON" and not any(context.values())
    if plain and "$" not in "".join(variables.values()):
        return [python, *rest], variables
    worker = next(word for word in rest if word.endswith(".py"))
    return [sys.executable, os.path.join(os.path.dirname(worker), "setup_worker.py"), *words], {}


if __name__ == "__main__":
    found, more = command(sys.argv[1:])
    os.execvpe(found[0], found, {**os.environ, **more})
