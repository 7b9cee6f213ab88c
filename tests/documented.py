"""The documented commands, and the folder in which each of them is run.

``commands()`` finds those of the README, of docs and of the search spaces, ``examples()`` those of
the help. What a machine of tests has not (a cloud, an hour, a GPU) is put in place by ``CHANGES``
and ``SMALL``, each with its reason, and by the stand-ins of `Desk`; all else of a line is run as it
stands. A module of tests has one desk::

    with documented.desk(tmp_path_factory.mktemp("desk")) as made:
        ...
        code = made.run("leaderboard results/msmo --by parameter", tmp_path, monkeypatch)
"""

from __future__ import annotations

import re
import shlex
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import made_corpora
import pytest
from postgres import PostgresServer, running_postgres
from shared_ray import SharedRay
from slurm_queue import SlurmQueue
from storage.s3_server import ENVIRONMENT, S3Server, s3_server

from raysearch import corpora
from raysearch.cli import main, parser, remote, sweep
from raysearch.cli.parsing import leaves
from raysearch.cluster.remote import jobs, launch
from raysearch.storage import open_storage

ROOT = Path(__file__).parents[1]
FILES = [
    ROOT / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name != "commands.md"),
    *sorted((ROOT / "search_spaces").rglob("*.yaml")),
]
START = re.compile(r"(?:^|[`'\s])(?:\S*python3? -m )?raysearch ((?:[a-z]+)\b[^`'\n]*)", re.M)
BARE = ("data fetch", "data convert")
"""From a row of the README that names four actions at once; both stand elsewhere with arguments."""


@dataclass(frozen=True)
class Change:
    """What stands in a command, what is run in its place, and why."""

    pattern: str
    instead: str
    reason: str


CHANGES = (
    Change(r"\bSWEEP:N\b", "results/carl:1", "a name for any row"),
    Change(r"\bSWEEP\b", "results/carl", "a name for any sweep"),
    Change(r"\[PATH\]|\bPATH\b", "results", "a name for any folder"),
    Change(r"^experiment FILE$", "experiment question.yaml", "the page's own space is that file"),
    Change(r"^experiment NAME", "experiment carl-ablation", "a name for any of them"),
    Change(r"\bFOLDER\b", "reviews", "a name for any folder of language pairs"),
    Change(r"^experiment carl-table-.*", "experiment carl-table-va", "the same arms, of which "
           "others are probed on more corpora"),
    Change(r"^experiment msmo-(table|multilingual).*", "experiment msmo-multilingual",
           "the same arms with another encoder, which is not the one that is run"),
    Change(r"^sweep carl --set corpora=diary", "train carl --set corpora=diary",
           "the page's loader is in this process, and slots are others"),
    Change(r"^check search_spaces/carl.yaml --train", "check "
           "search_spaces/carl-emobank-baseline.yaml --train", "a space of fewer settings"),
    Change(r"--slots \d+", "--slots 1", "two cores"),
    Change(r"--gpus-per-worker [\d.]+", "--gpus-per-worker 0", "no GPU"),
    Change(r"--time \S+", "--time 10m", "a sweep that is small is not to be cut by a slow machine"),
    Change(r"--scale paper", "--scale small", "the papers' size is of hours on a GPU"),
    Change(r"--trials \d+", "--trials 3", "two cores"),
)  # fmt: skip
SMALL = {
    "carl": "encoder=tiny layers=0 corpora=sample epochs=0.2 batch_size=16 max_length=32 reports=1",
    "msmo": "encoder=tiny layers=0 corpus=sample_reviews steps=4 align_steps=2 student_steps=2 "
    "distill_steps=2 batch_size=16 max_length=128 reports=1 precision=fp32",
}
"""Settings of whatever trains, where the line says nothing else: an encoder of random weights and
few steps in place of minutes. An experiment keeps its corpora, which its answer names."""
OPTIONS = {
    "sweep": "--trials=3 --seeds=1 --slots=1 --quiet",
    "experiment": "--seeds=1 --slots=1 --quiet",
    "train": "--quiet",
}
"""Options of what trains, where the line says nothing else and no cluster runs it."""
MADE = (
    "sweep carl",
    "sweep msmo",
    "sweep msmo --space search_spaces/msmo-xabsa.yaml --pairs en-es,en-fr,en-nl,en-ru",
    "evaluate results/msmo-xabsa --oracle",
)
"""Lines that are run first, of more trials, since others read what they make; each is then run a
second time."""
XML = """<Reviews><Review rid="1"><sentences><sentence id="1:0"><text>Good soup.</text>
<Opinions><Opinion target="soup" category="FOOD#QUALITY" polarity="positive" from="5" to="9"/>
</Opinions></sentence></sentences></Review></Reviews>"""


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
    names = {command.prog.split()[1] for command in leaves(parser())}
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


def examples() -> list[str]:
    """Every example of the help, without what a shell does with it."""
    found = []
    for command in (parser(), *leaves(parser())):
        for text in (command.epilog or "").splitlines()[1:]:
            text = text.replace('eval "$(', "").replace(')"', "").partition(" > ")[0]
            found.append(shlex.join(shlex.split(text, comments=True)[1:]))
    return list(dict.fromkeys(found))


def changed(line: str) -> list[str]:
    """The words that are run for a line: with `CHANGES`, and small."""
    for change in CHANGES:
        line = re.sub(change.pattern, change.instead, line)
    words = shlex.split(line)
    words += ["--trials=8"] if line in MADE and words[0] == "sweep" else []
    if words[0] == "check" and "--train" in words:
        pairs = SMALL[Path(words[1]).stem.partition("-")[0]].split()
        return [*words, *(f"--set={pair}" for pair in pairs if not pair.startswith("epochs"))]
    if words[0] not in OPTIONS or {"--cluster", "--slurm"} & set(words) or words == ["experiment"]:
        return words  # the last lists the experiments
    small = SMALL.get(words[1].partition("-")[0], "").split()  # of a file there is none
    if words[0] == "experiment":
        small = [pair for pair in small if not pair.startswith("corp")]
        small += ["pairs=en-es"] if words[1].startswith("msmo") else []
    said = {word.partition("=")[0] for word in words}
    options = [word for word in OPTIONS[words[0]].split() if word.partition("=")[0] not in said]
    settings = [f"--set={pair}" for pair in small if pair.partition("=")[0] not in said]
    return [*words, *options, *settings]


class Cloud:
    """A cluster that a test plays: it is brought up, takes a job, which ends well, and goes."""

    def __init__(self, at_hand: pytest.MonkeyPatch) -> None:
        self.words: list[str] = []
        at_hand.setattr(launch, "connect", self._connect)
        at_hand.setattr(launch, "bring_up", lambda manifest, tell: tell("[1/7] Waiting"))
        at_hand.setattr(launch, "take_down", lambda manifest: None)
        at_hand.setattr(jobs, "submit", self._submit)
        at_hand.setattr(jobs, "running_sweep", lambda *_: None)
        at_hand.setattr(jobs, "any_running", lambda _: False)
        at_hand.setattr(jobs, "latest_sweep", lambda _: "carl-1")
        at_hand.setattr(jobs, "stop", lambda *_: True)
        for module in (remote, sweep):
            at_hand.setattr(module, "watch", lambda *_: 0)

    @contextmanager
    def _connect(self, cluster: str) -> Iterator[Any]:
        yield self

    def _submit(
        self, client: Any, name: str, words: list[str], space: str, *, same_code: bool = False
    ) -> str:
        parser().parse_args(words)  # the head's own reading
        self.words = words
        return f"{name}-1"


@dataclass
class Desk:
    """One folder with finished sweeps, of which each line gets a copy to run in.

    Attributes:
        laid_out: The folder, with what lines name beside `results`.
        stack: What is up until the desk goes: Ray, and servers once a line needs them.
    """

    laid_out: Path
    stack: ExitStack = field(default_factory=ExitStack)

    @cached_property
    def folder(self) -> Path:
        """The same folder, as ``MADE`` leaves it: made for the first line that reads of it."""
        with chdir(self.laid_out):
            for line in MADE:
                assert main(changed(line)) == 0, line
        return self.laid_out

    @cached_property
    def postgres(self) -> PostgresServer:
        return self.stack.enter_context(running_postgres())

    @cached_property
    def s3(self) -> S3Server:
        return self.stack.enter_context(s3_server())

    def run(self, line: str, folder: Path, at_hand: pytest.MonkeyPatch) -> int:
        """Run a line in a copy of the folder; its exit code."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, symlinks=True)
        at_hand.chdir(folder)
        made_corpora.pin(at_hand)
        words = changed(line)
        if "=diary" in line:
            at_hand.setenv("RAYSEARCH_DATA", "data")
            _add_diary(Path("data"), at_hand)
        elif line.startswith("recover"):
            for path in Path("results/carl").glob("study.db*"):
                path.unlink()  # as it is when one needs the command
        elif line.startswith("sweep") and line not in MADE:
            shutil.rmtree("results")  # what it begins is not what is there under that name
        elif line.startswith("data fetch"):
            served = partial(_from_disk, corpora.data_dir())
            at_hand.setenv("RAYSEARCH_DATA", "data")
            at_hand.setattr("urllib.request.urlopen", served)
        elif line.startswith("dashboard"):
            at_hand.setattr("optuna_dashboard.run_server", _ended_by_ctrl_c)
        _play(line, folder, at_hand)
        return main([self._place(word, folder) for word in words])

    def _place(self, word: str, folder: Path) -> str:
        """The word, or where its server is here: with the rows of a sweep that it names."""
        if word.startswith("postgresql://"):
            return self.postgres.url_in(folder)
        if not word.startswith("s3://"):
            return word
        uri = self.s3.uri(word.removeprefix("s3://"))
        if word.endswith("/carl"):
            _upload(self.folder / "results" / "carl", uri)
        return uri


@contextmanager
def desk(folder: Path, shared_ray: SharedRay) -> Iterator[Desk]:
    """A folder with what documented lines name; Ray runs for the sweeps among them."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as at_hand:
        for name, value in {**ENVIRONMENT, "OMP_NUM_THREADS": "1"}.items():
            at_hand.setenv(name, value)
        shared_ray.up()
        _lay_out(folder)
        yield Desk(folder, stack)


def _lay_out(folder: Path) -> None:
    """The files that lines name beside `results`."""
    (folder / "search_spaces").symlink_to(ROOT / "search_spaces")
    shutil.copytree(ROOT / "search_spaces", folder / "my-spaces")
    (folder / "docs").mkdir()
    for name in ("cluster.yaml", "docs/cluster-local.yaml", "docs/slurm.yaml"):
        text = (ROOT / name).read_text().replace("SET-ME-", "my-")
        (folder / name).write_text(text)
    shutil.copy(folder / "docs" / "slurm.yaml", folder)
    (folder / "reviews").symlink_to(ROOT / "raysearch" / "corpora" / "sample" / "reviews")
    (folder / "ABSA16_Restaurants_Train.xml").write_text(XML)
    page = (ROOT / "docs" / "extending.md").read_text()
    (folder / "question.yaml").write_text(
        "".join(re.findall(r"```yaml\n(# question.yaml.*?)```", page, re.S))
    )


def _play(line: str, folder: Path, at_hand: pytest.MonkeyPatch) -> None:
    """The cluster or the queue that a line is about."""
    if "--cluster" in line or line.startswith(("attach", "stop")):
        (folder / "raysearch").symlink_to(ROOT / "raysearch")
        Cloud(at_hand)
    if "slurm.yaml" in line:
        played = SlurmQueue(at_hand)
        at_hand.setenv("RAY_AUTH_TOKEN", "t" * 64)
        at_hand.setattr(sweep, "watch", lambda *_: 0)
        if line.startswith(("attach", "stop")):
            played.add("7", folder / "results" / "carl")


def _add_diary(data: Path, at_hand: pytest.MonkeyPatch) -> None:
    """The corpus of docs/extending.md: its code, and a file in its format."""
    for table in (corpora.CORPORA, corpora.LOADERS):
        at_hand.setitem(table, "diary", None)  # so that it goes again
    page = (ROOT / "docs" / "extending.md").read_text()
    exec(re.findall(r"```python\n(.*?)```", page, re.S)[0], {"__name__": "extending"})
    (data / "diary").mkdir(parents=True)
    lines = [f"today number {n} went well,{1 + n % 9},{9 - n % 9}" for n in range(200)]
    text = "\n".join(["text,valence,arousal", *lines])
    (data / "diary" / "diary.csv").write_text(text)


def _upload(sweep: Path, uri: str) -> None:
    """Put a sweep's rows into the stand-in for an object store."""
    place = open_storage(uri)
    for path in sweep.rglob("*"):
        if path.is_file() and not path.name.startswith(("study.db", "lock")):
            place.write(str(path.relative_to(sweep)), [path.read_bytes()])


def _from_disk(folder: Path, request: urllib.request.Request, timeout: float) -> Any:
    """A corpus' file from the folder of the corpora, as its server would send it."""
    [path] = {
        folder / file.path
        for info in corpora.CORPORA.values()
        for file in info.files
        if file.sha256 and info.url(file) == request.full_url
    }
    return urllib.request.build_opener(urllib.request.FileHandler).open(path.as_uri())


def _ended_by_ctrl_c(url: str, *, host: str, port: int) -> None:
    assert url.startswith("sqlite:///") and Path(url.removeprefix("sqlite:///")).is_file()
    raise KeyboardInterrupt
