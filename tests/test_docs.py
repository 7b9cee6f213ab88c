"""Every command that the documentation names: all parse, sweeps are planned, `RUN_HERE` is run.

Planned means: method, space, settings and options make a plan. That a sweep runs is tested in
test_sweep_end_to_end.py and packaging/, and as a function in test_api.py. Only parsed are commands
that need what a test machine has not (`OUT_OF_REACH`) and those of `RUN_ELSEWHERE`.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
from pathlib import Path

import pytest

from raysearch.cli import main, parser
from raysearch.cli.sweep import _write_card, plan_of

ROOT = Path(__file__).parents[1]
FILES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "commands.md"),
    *sorted((ROOT / "search_spaces").rglob("*.yaml")),
]
START = re.compile(r"(?:^|[`'\s])(?:\S*python3? -m )?raysearch ((?:[a-z]+)\b[^`'\n]*)", re.M)
OUT_OF_REACH = {
    "s3://": "an object store",
    "postgresql://": "a server of PostgreSQL",
    "sweep carl --cluster": "a cluster",
    "sweep carl --trials 64 --cluster": "a cluster",
    "attach": "a cluster",
    "stop": "a cluster",
    "data fetch": "a download",
}


BARE = ("data fetch", "data convert")
"""From a row of the README that names four actions at once; both stand elsewhere with arguments."""
STAND_INS = {
    "results/carl:3": "results/carl:0",  # the sweep that is made here has one trial
    "[PATH]": "results",
    "FOLDER": str(ROOT / "raysearch" / "corpora" / "sample" / "reviews"),
}


def code_of(path: Path) -> str:
    """What is code in a file: bash blocks and spans; of a search space its comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return "\n".join(line[1:].strip() for line in text.splitlines() if line[:1] == "#")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    spans = re.findall(r"`([^`]+)`", prose)
    return "\n".join([*blocks, *(" ".join(span.split()) for span in spans)])


def commands() -> list[str]:
    """Every command of every file, in order, each once; `a|b` stands for two of them."""
    found: dict[str, None] = {}
    names = {*_names()}
    for path in FILES:
        for text in START.findall(code_of(path)):
            text = text.replace("\\|", "|").partition(" > ")[0]
            line = " ".join(shlex.split(text, comments=True))
            first, *rest = line.split()
            if first not in names or "METHOD" in rest or (not rest and first != "check"):
                continue  # a command's name in a sentence
            several = [word for word in rest if "|" in word]
            for choice in several[0].split("|") if several else [""]:
                found[line.replace(several[0], choice) if several else line] = None
    for name in BARE:
        found.pop(name, None)
    return list(found)


def _names() -> list[str]:
    [action] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return list(action.choices)


def out_of_reach(line: str) -> bool:
    return any(mark in line for mark in OUT_OF_REACH)


COMMANDS = commands()
RUN_HERE = (
    *("leaderboard", "evaluate", "export", "plan", "recover", "data", "check"),
    "completion",
)
RUN_ELSEWHERE = {
    "train": "test_commands.py; here it would train the real encoder",
    "compare": "test_compare.py",
    "replay": "test_replay.py; here it would need the README's own trial",
    "verify": "test_replay.py",
    "report": "test_report.py",
    "dashboard": "test_report.py; here it would serve until Ctrl-C",
    "study": "its own tests; here it would run for an hour",
}
"""Command to the test in tests/cli that runs it, and why it is only parsed here."""
PLANNED = [c for c in COMMANDS if c.split()[0] == "sweep" and not out_of_reach(c)]
RUN = [c for c in COMMANDS if c.split()[0] in RUN_HERE and not out_of_reach(c)]


def test_the_commands_are_found() -> None:
    assert {"sweep carl", "leaderboard results/carl", "check"} <= set(COMMANDS)
    first = {c.split()[0] for c in COMMANDS if not out_of_reach(c)}
    assert first <= {"sweep", *RUN_HERE, *RUN_ELSEWHERE}, "say how it is tested"
    assert len(COMMANDS) > 30 and len(RUN) > 8 and len(PLANNED) > 5


@pytest.mark.parametrize("line", COMMANDS)
def test_it_parses(line: str) -> None:
    parser().parse_args(shlex.split(line))


@pytest.mark.parametrize("line", PLANNED)
def test_it_can_be_planned(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    plan, path = plan_of(parser().parse_args(shlex.split(line)))
    assert path.is_file() and plan.configurations > 0


TINY = {
    "carl": ["encoder=tiny", "epochs=0.2", "batch_size=16", "reports=1"],
    "msmo": ["encoder=tiny", "corpus=sample_reviews", "max_length=32", "batch_size=16", "steps=4"]
    + ["align_steps=2", "student_steps=2", "distill_steps=2", "reports=1", "pairs=en-es"],
}


XML = """<Reviews><Review rid="1"><sentences><sentence id="1:0"><text>Good soup.</text>
<Opinions><Opinion target="soup" category="FOOD#QUALITY" polarity="positive" from="5" to="9"/>
</Opinions></sentence></sentences></Review></Reviews>"""


def finished(method: str, space: str, name: str) -> None:
    """A sweep of one tiny trial in ``results/NAME``, as `raysearch sweep` leaves it."""
    settings = [part for pair in TINY[method] for part in ("--set", pair)]
    assert main(["train", method, *settings, "--name", name, "--quiet"]) == 0
    words = ["sweep", method, *settings, "--space", space, "--name", name]
    _write_card(*plan_of(parser().parse_args(words)))


def test_what_can_be_run_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("search_spaces", "cluster.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    finished("carl", "carl", "carl")
    finished("msmo", "msmo-xabsa", "msmo-xabsa")
    (tmp_path / "FILE.xml").write_text(XML)
    shutil.copytree("results/msmo-xabsa", "results/msmo")
    for line in RUN:
        shutil.rmtree("DIR", ignore_errors=True)
        capsys.readouterr()
        code = main([STAND_INS.get(word, word) for word in shlex.split(line)])
        said = capsys.readouterr()
        assert code == 0, (line, said.err)
        assert said.out, line
        if line == "export results/carl:best DIR":
            assert (tmp_path / "DIR" / "config.json").exists()
