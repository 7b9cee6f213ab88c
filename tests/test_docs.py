"""Every command that documentation and help name parses, and is run: `documented.py` says where."""

from __future__ import annotations

import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import documented
import pytest
from shared_ray import SharedRay

from raysearch.cli import parser
from raysearch.objective import AGGREGATES
from raysearch.search.space import file
from raysearch.search.space.space import load_space
from raysearch.search.suggest.pruners import PRUNERS
from raysearch.search.suggest.samplers import SAMPLERS

COMMANDS = documented.commands()
EXAMPLES = documented.examples()
LINES = list(dict.fromkeys([*COMMANDS, *EXAMPLES]))
RUN = list({tuple(documented.changed(line)): line for line in reversed(LINES)}.values())[::-1]
"""Of the lines that are the same after the changes, the first."""
ROOT = documented.ROOT
TEXTS = [
    *sorted(ROOT.glob("*.md")), ROOT / "results" / "README.md", *sorted(ROOT.glob("docs/**/*.md"))
]  # fmt: skip
PATH = re.compile(
    r"(?<![\w/.:-])((?:benchmarks|docs|examples|raysearch|results/published|results/reference|"
    r"search_spaces|tests)/[\w./*-]*)"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_commands_are_found() -> None:
    assert {"sweep carl", "leaderboard results/carl", "check"} <= set(COMMANDS)
    assert len(COMMANDS) > 70 and len(EXAMPLES) > 40
    assert set(documented.MADE) <= set(COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_it_parses(line: str) -> None:
    parser().parse_args(shlex.split(line))


def test_every_change_is_of_a_line() -> None:
    for change in documented.CHANGES:
        assert any(re.search(change.pattern, line) for line in LINES), change


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_that_a_text_names_are_there(text: Path) -> None:
    found = PATH.findall(text.read_text())
    named = {re.sub(r"\b(METHOD|NAME)\b", "*", path.rstrip("./")) for path in found}
    assert [path for path in sorted(named) if not list(ROOT.glob(path))] == []


@pytest.mark.parametrize(
    "name",
    sorted(
        {
            name
            for text in TEXTS
            for name in re.findall(r"`(raysearch(?!\.yaml)(?:\.\w+)+)", text.read_text())
        }
    ),
)
def test_a_name_of_the_package_is_there(name: str) -> None:
    pkgutil.resolve_name(name)


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_text_lead_somewhere(text: Path) -> None:
    links = {link for link in LINK.findall(text.read_text()) if "://" not in link}
    for link in links:
        name, _, anchor = link.partition("#")
        page = text.parent / name if name else text
        assert page.exists(), link
        assert not anchor or anchor in anchors(page), link


def test_the_layers_are_drawn_as_the_contract_has_them() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    depth = {name: n for n, layer in enumerate(layers) for name in layer.split(" | ")}
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Layers")[2]
    lines = text.split("```")[1].splitlines()[1:]
    drawn = [{depth[name] for name in line[:28].strip().split(" | ")} for line in lines[::2]]
    assert len(drawn) > 10 and all(len(level) == 1 for level in drawn)
    assert drawn == sorted(drawn, key=min) and len({min(level) for level in drawn}) == len(drawn)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay
) -> Iterator[documented.Desk]:
    with documented.desk(tmp_path_factory.mktemp("desk"), shared_ray) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the first line waits for the sweeps that others read
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", RUN)
def test_it_runs(
    line: str,
    desk: documented.Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    code = desk.run(line, tmp_path, monkeypatch)
    assert code == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_that_a_sweep_leaves_is_described(desk: documented.Desk) -> None:
    text = (documented.ROOT / "results" / "README.md").read_text()
    left = {path.name for path in desk.folder.glob("results/*/*")}
    assert {"sweep.json", "openings", "oracle", "study.db"} <= left
    assert [name for name in sorted(left) if f"`{name}" not in text] == []


def test_every_key_of_a_search_space_is_described() -> None:
    text = (documented.ROOT / "docs" / "study.md").read_text()
    part = text.partition("## What a search space says")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", part, re.M))
    assert {"method", *rows} == set(file._TOP)
    told = {name: rows[name].strip("` ") for name in file._PLAIN}
    assert told == {name: f"{file._DEFAULTS[name]}" for name in file._PLAIN}
    for known in (*SAMPLERS, *PRUNERS, *AGGREGATES, *file.OPTION_RULES["mode"].choices):
        assert f"`{known}`" in part


def test_the_keys_are_read_as_they_are_shown(tmp_path: Path) -> None:
    text = (documented.ROOT / "docs" / "study.md").read_text()
    [shown] = re.findall(r"```yaml\n(method:.*?)```", text, re.S)
    (tmp_path / "shown.yaml").write_text(shown)
    space = load_space(tmp_path / "shown.yaml")
    assert (space.reduction, space.pruner, space.time_seconds) == (3, "halving", 1800)
    (tmp_path / "off.yaml").write_text(shown.replace("halving", "none"))
    assert PRUNERS[load_space(tmp_path / "off.yaml").pruner] is None


@pytest.mark.slow
def test_the_image_has_all_that_git_has_and_no_more() -> None:
    ignored = []
    for line in (documented.ROOT / ".gitignore").read_text().split():
        negated, pattern = line.startswith("!"), line.removeprefix("!").rstrip("/")
        place = pattern.lstrip("/") if "/" in pattern else f"**/{pattern}"
        ignored.append(("!" if negated else "") + place)
    lines = (documented.ROOT / ".dockerignore").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ignored
