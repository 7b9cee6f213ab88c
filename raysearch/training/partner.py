"""Trains a run on several workers of this machine, without Ray: this process and its partners.

A row of several workers is trained again as it was. The partners are processes of this program
(``python -m raysearch.training.partner``); all meet over a file in a private folder, talk over
loopback, and unpickle only what has the key that each partner got on its standard input.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from raysearch import distributed
from raysearch.errors import RaysearchError, RunError, TooLargeError
from raysearch.run import Run, RunSpec
from raysearch.training.hardware import torch_threads
from raysearch.training.progress import Listener, NullListener
from raysearch.training.run import execute_run

__all__ = ["MOST_WORKERS", "execute_on_workers"]

MOST_WORKERS = 64
"""Most workers on one machine."""
MEETING = timedelta(minutes=3)
"""How long a worker waits for the others to start."""
SILENCE = timedelta(hours=2)
"""How long a worker waits for another one's part, such as an evaluation."""
LEAVING_SECONDS = 30.0
SHOWN = 2000
"""Characters of a partner's last words."""
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


def execute_on_workers(
    spec: RunSpec,
    listener: Listener,
    *,
    workers: int,
    threads: int,
    data_dir: str,
    stages: str = "",
) -> Run | None:
    """As `execute_run`, on so many workers, of which this process is the first.

    Args:
        spec: What to run.
        listener: Receives progress and reports.
        workers: Their number, in [1, `MOST_WORKERS`].
        threads: Torch threads of each.
        data_dir: Folder of the corpora.
        stages: Folder or URI of shared stages; empty for the one beside the runs' folder.

    Raises:
        RaysearchError: As `execute_run`.
        RunError: A partner ended before the trial.
    """
    with torch_threads(threads):
        if workers == 1:
            return execute_run(spec, listener, data_dir=data_dir, stages=stages)
        about = {"spec": spec.to_json(), "data_dir": data_dir, "stages": stages, "threads": threads}
        with _partners(workers, about):
            return execute_run(spec, listener, data_dir=data_dir, stages=stages)


@contextmanager
def _partners(workers: int, about: dict[str, Any]) -> Iterator[None]:
    """This process is worker 0 of a group inside."""
    key = secrets.token_bytes(32)
    with tempfile.TemporaryDirectory(prefix="raysearch-group-") as folder:  # mode 0700
        about = {**about, "meeting": str(Path(folder, "meeting")), "key": key.hex()}
        started = []
        try:
            for rank in range(1, workers):
                words = Path(folder, f"worker{rank}")
                started.append((_start(rank, words), words))
                _tell(started[-1][0], {**about, "rank": rank, "workers": workers})
            _await(started, Path(folder))
            with _grouped(about["meeting"], key, rank=0, workers=workers):
                yield
        except RaysearchError:
            raise
        except RuntimeError as error:  # of the group: torch has no class for it
            said = [text for process, words in started if (text := _last_words(process, words))]
            if not said:
                raise
            raise RunError(f"a worker of the trial ended before it: {said[0]}") from error
        finally:
            for process, _ in started:
                _end(process)


def _start(rank: int, words: Path) -> subprocess.Popen[bytes]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    if count := torch.cuda.device_count():
        here = ",".join(map(str, range(count)))
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", here).split(",")
        env["CUDA_VISIBLE_DEVICES"] = gpus[rank % len(gpus)]
    with words.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "raysearch.training.partner"],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=env,
        )


def _tell(process: subprocess.Popen[bytes], about: dict[str, Any]) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, which the group's meeting shows
        process.stdin.write(json.dumps(about).encode())
        process.stdin.close()


def _await(started: Sequence[tuple[subprocess.Popen[bytes], Path]], folder: Path) -> None:
    """Wait until every partner is at the meeting: torch would wait hours for one that has ended.

    Raises:
        RunError: One ended before, or did not come within `MEETING`.
    """
    until = time.monotonic() + MEETING.total_seconds()
    for rank, (process, words) in enumerate(started, start=1):
        while not _arrival(folder, rank).exists():
            if process.poll() is not None:
                said = _last_words(process, words)
                raise RunError(f"a worker of the trial ended before it: {said or 'exit code 0'}")
            if time.monotonic() > until:
                raise RunError(
                    f"every worker of the trial must start within {MEETING.total_seconds():.0f} s, "
                    f"but worker {rank} has not; the machine is too busy, or short of memory"
                )
            time.sleep(0.05)


def _arrival(folder: Path, rank: int) -> Path:
    return folder / f"arrived{rank}"


def _last_words(process: subprocess.Popen[bytes], words: Path) -> str:
    """What a partner said that ended with an error; "" for any other."""
    try:
        code = process.wait(LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        return ""
    text = words.read_text(errors="replace").strip()[-SHOWN:]
    return "" if code == 0 else text.splitlines()[-1] if text else f"exit code {code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(LEAVING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _grouped(meeting: str, key: bytes, *, rank: int, workers: int) -> Iterator[None]:
    """This process is one of a group inside."""
    before = os.environ.get("GLOO_SOCKET_IFNAME")
    os.environ["GLOO_SOCKET_IFNAME"] = _LOOPBACK
    store = dist.FileStore(meeting, workers)  # type: ignore[attr-defined]
    store.set_timeout(MEETING)
    try:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=workers, timeout=SILENCE)
        distributed.seal_with(key)
        yield
    finally:
        distributed.seal_with(b"")
        if dist.is_initialized():
            dist.destroy_process_group()
        if before is None:
            del os.environ["GLOO_SOCKET_IFNAME"]
        else:
            os.environ["GLOO_SOCKET_IFNAME"] = before


class _Partner(NullListener):
    """The listener of a worker that writes no file: worker 0 does."""

    def owns(self) -> bool:
        """Never."""
        return False


def _main() -> None:
    about = json.loads(sys.stdin.buffer.read())
    _arrival(Path(about["meeting"]).parent, about["rank"]).touch()
    group = {"rank": about["rank"], "workers": about["workers"]}
    with (
        torch_threads(about["threads"]),
        _grouped(about["meeting"], bytes.fromhex(about["key"]), **group),
    ):
        spec = RunSpec.from_json(about["spec"])
        try:
            execute_run(spec, _Partner(), data_dir=about["data_dir"], stages=about["stages"])
        except TooLargeError as error:
            sys.exit(str(error))  # this worker's alone: the others wait for it
        except RaysearchError:
            pass  # worker 0 has the same one, and says it


if __name__ == "__main__":
    _main()
