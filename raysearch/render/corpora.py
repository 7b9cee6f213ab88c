"""How are corpora, their checks and their downloads shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from raysearch.corpora import CheckResult, CorpusInfo
from raysearch.corpora.absa import POLARITIES
from raysearch.render.terminal import Terminal

__all__ = ["checks_table", "corpora_table", "corpus_card", "download_progress"]


def corpora_table(
    corpora: Mapping[str, CorpusInfo], checks: Sequence[CheckResult], folder: Path
) -> Table:
    """Every corpus: whether it is here, what it is, its licence.

    Args:
        corpora: The registry.
        checks: The state of every file.
        folder: The data folder.
    """
    table = Table(title=f"data folder: {folder}", title_justify="left", show_lines=False)
    table.add_column("corpus", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("what it holds", ratio=2)
    table.add_column("licence", ratio=1)
    for name, info in corpora.items():
        states = {check.state for check in checks if name in check.corpora}
        table.add_row(name, _presence(info, states), info.task, info.title, info.licence)
    return table


def _presence(info: CorpusInfo, states: Collection[str]) -> str:
    if info.origin == "bundled":
        return "bundled"
    if "damaged" in states:
        return "damaged"
    if "missing" in states:
        return "no" if info.origin == "download" else "no (yours)"
    return "yes" if states == {"ok"} else "unpinned"


def corpus_card(info: CorpusInfo, pairs: Sequence[str] = ()) -> str:
    """All that the registry knows of one corpus, a fact a line.

    Args:
        info: The corpus.
        pairs: Its translated language pairs that are here; for task ``absa``.
    """
    labels = (
        f"labels {', '.join(info.label_names)}, scale {info.scale[0]:g} to {info.scale[1]:g}"
        if info.task != "absa"
        else f"aspects {', '.join(POLARITIES)}; translated pairs here: {', '.join(pairs) or 'none'}"
    )
    lines = [
        f"{info.name}: {info.title}",
        f"  task      {info.task}, {labels}",
        f"  licence   {info.licence}",
        f"  cite      {info.citation}",
    ]
    if info.repository:
        lines.append(f"  source    {info.repository} at {info.commit}")
    for file in info.files:
        lines.append(f"  file      {file.path}  sha256 {file.sha256 or 'not known'}")
        lines.append(f"            {info.url(file)}")
    return "\n".join(lines)


def checks_table(checks: Sequence[CheckResult], folder: Path) -> Table:
    """Every file and whether it is the one that was measured."""
    table = Table(title=f"data folder: {folder}", title_justify="left")
    for column in ("file", "corpora", "state"):
        table.add_column(column)
    table.add_column("SHA-256 found", overflow="fold")
    for check in checks:
        found = check.found or ""
        digest = found if check.state in ("damaged", "unpinned") else found[:12]
        table.add_row(check.path, ", ".join(check.corpora), check.state, digest)
    return table


@contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar per file on standard error; yields the function that moves it."""
    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bars:
        tasks: dict[str, object] = {}

        def move(path: str, done: int, total: int | None) -> None:
            if path not in tasks:
                tasks[path] = bars.add_task(path)
            bars.update(tasks[path], completed=done, total=total)  # type: ignore[arg-type]

        yield move
