"""`raysearch sweep --cluster`: what is refused here, and what command reaches the head."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from raysearch.api.messages import Messages
from raysearch.cli import main
from raysearch.cluster.remote import jobs, launch

ROOT = Path(__file__).parents[2]
SITE = "storage: /storage/raysearch, slots: 2"
SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 2}
setting: {encoder: tiny, corpora: [sample]}
search: {top_k: {low: 0.05, high: 0.4}}
"""


class Head:
    """A cluster that the test plays: what was done to it, in order."""

    def __init__(self) -> None:
        self.up, self.busy = False, False
        self.running: str | None = None
        self.done: list[str] = []
        self.words: list[str] = []
        self.space = ""

    @contextmanager
    def connect(self, cluster: str) -> Iterator[Any]:
        if not self.up:
            raise launch.NoAnswerError("the head must be reached, but nothing answers")
        yield self

    def bring_up(self, manifest: Path, tell: Any) -> None:
        tell("[1/7] Waiting")
        self.done.append("up")
        self.up = True

    def submit(
        self, client: Any, name: str, words: list[str], space: str, *, same_code: bool
    ) -> str:
        self.done.append("submit the same code" if same_code else "submit")
        self.words, self.space = words, space
        return f"{name}-1"

    def watch(self, cluster: str, job: str, results: Path, messages: Messages) -> int:
        self.done.append(f"watch {job}")
        return 0


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Head:
    made = Head()
    monkeypatch.setattr(launch, "connect", made.connect)
    monkeypatch.setattr(launch, "bring_up", made.bring_up)
    monkeypatch.setattr(jobs, "submit", made.submit)
    monkeypatch.setattr(jobs, "running_sweep", lambda *_: made.running)
    monkeypatch.setattr(jobs, "any_running", lambda _: made.busy)
    monkeypatch.setattr("raysearch.cli.sweep.watch", made.watch)
    (tmp_path / "raysearch").mkdir()
    (tmp_path / "raysearch" / "__init__.py").touch()
    (tmp_path / "space.yaml").write_text(SPACE)
    write_cluster(tmp_path)
    monkeypatch.chdir(tmp_path)
    return made


def write_cluster(folder: Path, site: str = SITE) -> None:
    text = (ROOT / "docs" / "cluster-local.yaml").read_text()
    begin, _, rest = text.partition("  raysearch:")
    end = rest.partition("\nauth:")[2]
    begin, end = (part.replace("SET-ME-", "my-") for part in (begin, end))
    (folder / "cluster.yaml").write_text(f"{begin}  raysearch: {{{site}}}\nauth:{end}")


def run(*words: str) -> int:
    return main(["sweep", "carl", "--space", "space.yaml", "--cluster", "cluster.yaml", *words])


def options(words: list[str]) -> argparse.Namespace:
    """The head's own reading of the command that reaches it."""
    from raysearch.cli import parser

    return parser().parse_args(words)


def test_a_cluster_that_is_down_is_brought_up(
    head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--trials", "4", "--set", "epochs=1", "--results", "mine") == 0
    assert head.done == ["up", "submit", "watch space-1"]
    said = capsys.readouterr().err
    assert "bringing the cluster of cluster.yaml up" in said and "[1/7] Waiting" in said
    assert head.space == SPACE
    found = options(head.words)
    assert (found.method, found.trials, found.slots) == ("carl", 4, 2)
    assert (found.name, found.storage, found.data_dir) == ("space", "/storage/raysearch", "data")
    assert (found.address, found.format, found.settings) == ("auto", "json", ["epochs=1"])
    assert found.cluster is None and found.space is None and found.results == "results"


def test_what_the_file_says_is_a_default(head: Head, tmp_path: Path) -> None:
    site = "slots: 2, gpus_per_worker: 0.5, cpus_per_worker: 3, data: /corpora"
    write_cluster(tmp_path, f"storage: 's3://b/p', study: 'postgresql://h/s', {site}")
    assert run("--slots", "8", "--name=mine", "--storage", "/other") == 0
    found = options(head.words)
    assert (found.slots, found.gpus_per_worker, found.cpus_per_worker) == (8, 0.5, 3.0)
    assert (found.name, found.storage, found.data_dir) == ("mine", "/other", "/corpora")
    assert found.study == "postgresql://h/s"


def test_a_key_in_the_search_space_is_refused_since_the_command_holds_it(
    head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text(f"# s3://key:secret@b/p\n{SPACE}")
    assert run() == 2
    said = capsys.readouterr().err
    assert "`--space` must have no credentials" in said and "secret" not in said
    assert head.done == []


def test_a_sweep_that_runs_is_watched(head: Head, capsys: pytest.CaptureFixture[str]) -> None:
    head.up, head.running = True, "space-7"
    assert run() == 0
    assert head.done == ["watch space-7"]
    assert "space-7 runs already" in capsys.readouterr().err


def test_a_sweep_that_runs_behind_a_silent_head_is_not_started_again(head: Head) -> None:
    head.running = "space-7"
    assert run() == 0
    assert head.done == ["up", "watch space-7"]


def test_beside_another_sweep_the_nodes_keep_their_tree(
    head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    head.up = head.busy = True
    assert run() == 0
    assert head.done == ["submit the same code", "watch space-1"]
    assert "the nodes keep the working tree" in capsys.readouterr().err


def test_a_url_is_joined_and_never_brought_up(
    head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "carl", "--space", "space.yaml", "--cluster", "http://127.0.0.1:8265"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "`--storage` must be a full path" in said and "`--slots` must be given" in said
    words += ["--storage", "/storage", "--slots", "2"]
    assert main(words) == 2
    assert "nothing answers" in capsys.readouterr().err
    head.up = True
    assert main(words) == 0
    assert head.done == ["submit the same code", "watch space-1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--address", "auto"], "`--address` must be left out with --cluster"),
        (["--format", "json"], "`--format` must be text with --cluster"),
        (["--storage", "mine"], "`--storage` must be a full path or a URI that every node"),
        (["--study", "postgresql://me:pass@host/db"], "`--study` must have no password"),
        (["--storage", "s3://key:secret@b/p"], "`--storage` must have no credentials"),
        (["--stages", "s3://key:secret@b/p"], "`--stages` must have no credentials"),
        (["--stages=s3://b/p?access_key=secret"], "`--stages` must have no credentials"),
        (["--study", "postgresql://host/db?password=pass"], "`--study` must have no password"),
        (["--study", "postgresql://me:pa?ss@host/db"], "`--study` must have no password"),
        (["--data-dir", "s3://key:secret@b/p"], "`--data-dir` must have no credentials"),
        (["--set", "corpora=s3://key:secret@b/p"], "`--set` must have no credentials"),
        (["--prices", "/etc/hosts"], "`--prices` must be a file of the working tree, which"),
        (["--trials", "0"], "`--trials` must be"),
        (["--set", "corpora=emobank"], "data/"),
        (["--set", "nothing=1"], "nothing"),
    ],
)
def test_mistakes_are_said_before_anything_starts(
    head: Head, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 2
    assert said in capsys.readouterr().err
    assert not head.done


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("slots: 2", "`--storage` must be a full path or a URI"),
        ("storage: ~/mine, slots: 2", "`provider.raysearch.storage` must be a full path"),
        ("storage: /SET-ME-storage, slots: 2", "but has /SET-ME-storage (cluster.yaml:"),
        ("storage: /s, slots: 1, study: 'a://b:c@d/e'", "`--study` must have no password"),
        ("storage: /s, slots: 1, study: 'a://d/e?sslpassword=f'", "but has `sslpassword`"),
        ("storage: /s", "`--slots` must be given with --cluster"),
        ("storage: /s, slots: 0", "`provider.raysearch.slots` must be a whole number >= 1"),
        ("storage: /s, slots: 1, cpus_per_worker: yes", "cpus_per_worker` must be a number"),
        ("storage: /s, slots: 1, data: 's3://b'", "`provider.raysearch.data` must be a folder"),
    ],
)
def test_what_a_cluster_file_must_say(
    head: Head, tmp_path: Path, site: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cluster(tmp_path, site)
    assert run() == 2
    assert said in capsys.readouterr().err
    assert not head.done


def test_folders_reach_the_nodes_or_are_refused(
    head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside, outside = tmp_path / "enc", tmp_path.parent / f"{tmp_path.name}-enc"
    inside.mkdir()
    outside.mkdir()
    for given in ("./enc", str(inside)):
        assert run("--set", f"encoder={given}") == 0
        assert options(head.words).settings == ["encoder=enc"]
    head.done.clear()
    assert run("--set", f"encoder={outside}") == 2
    said = capsys.readouterr().err
    assert f"`encoder` must be a folder that the nodes have, but {outside} is neither in" in said
    assert not head.done
    write_cluster(tmp_path, f"storage: {tmp_path.parent}, slots: 1")
    assert run("--set", f"encoder={outside}") == 0
    assert options(head.words).settings == [f"encoder={outside}"]


def test_not_run_from_the_tree(
    head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "raysearch" / "__init__.py").unlink()
    assert run() == 2
    assert "`file_mounts` must bring the working tree to ~/raysearch, but" in (
        capsys.readouterr().err
    )


def test_a_sweep_of_this_machine_is_not_overwritten(
    head: Head, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "space").mkdir(parents=True)
    (tmp_path / "results" / "space" / "study.db").touch()
    assert run() == 2
    assert "results/space must hold the rows of /storage/raysearch/space, but" in (
        capsys.readouterr().err
    )
    assert not head.done


def test_words_that_a_shell_would_change_arrive_whole(head: Head) -> None:
    assert run("--set", "encoder=a b'$HOME") == 0
    words = shlex.split(shlex.join(head.words))
    assert options(words).settings == ["encoder=a b'$HOME"]
