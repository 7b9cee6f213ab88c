"""`raysearch train`: how it uses the machine that it is on."""

from __future__ import annotations

import signal
import time
from importlib import import_module
from pathlib import Path

import pytest
import torch

from raysearch.cli import main, train
from raysearch.run import Cell, RunSpec


def test_no_more_threads_than_cores_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Torch counts the node's cores, whatever a container or Slurm allows of them."""
    seen = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    module = import_module("raysearch.api.train")
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "execute_run", lambda spec, listener, **more: "done")
    spec = RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="carl", config={}, folder=str(tmp_path)
    )
    assert module.train_here(spec, "") == "done"
    assert seen == [2, 64]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_of_an_import_comes_after_it(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """There its callbacks would swallow the error and keep the import lock."""
    done: list[str] = []
    inside = compile(
        "raise_signal(number); done.append('import')", "<frozen importlib._bootstrap>", "exec"
    )

    def ended(args: object) -> int:
        exec(inside, {"raise_signal": signal.raise_signal, "number": number, "done": done})
        time.sleep(20)
        done.append("all")
        return 0

    monkeypatch.setattr(train, "run", ended)
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {name: signal.signal(name, handler) for name, handler in usual.items()}
    try:
        assert main(["train", "carl"]) == 130
        assert done == ["import"]
        assert {name: signal.getsignal(name) for name in usual} == usual
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def test_sigterm_is_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A service or a batch job is ended by it; whoever handles it already goes on doing so."""

    def ended(args: object) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(train, "run", ended)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        assert main(["train", "carl"]) == 130
        assert "interrupted; the same command continues from here" in capfd.readouterr().err
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        heard: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
        assert main(["train", "carl"]) == 0 and heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
