"""What all tests have: a data folder that they make, and skips that say why, or fail if told to.

The data folder of the tests is made (`made_corpora`), on every machine: `data_dir` gives it. A
test of the real one has the mark ``real_data`` and takes its folder from the fixture `real_data`.
Each process computes on one core.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import made_corpora
import pytest
from hosts.lab import missing
from shared_ray import SharedRay

from raysearch.corpora import data_dir
from raysearch.corpora.registry import PINS

REAL = "RAYSEARCH_REAL_DATA"
"""Where the data folder lies that a user would have; for the processes of pytest-xdist too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that is skipped is a failure")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is read: some ask for the data folder while they are collected."""
    if hasattr(config, "workerinput"):
        return  # the process that started it has made the corpora
    folder = tempfile.TemporaryDirectory(prefix="raysearch-test-data-")
    config.add_cleanup(folder.cleanup)
    made_corpora.write(Path(folder.name))
    environment = pytest.MonkeyPatch()
    config.add_cleanup(environment.undo)
    environment.setenv(REAL, str(data_dir().absolute()))
    environment.setenv("RAYSEARCH_DATA", folder.name)
    if "OMP_NUM_THREADS" not in os.environ:
        # Workers of pytest-xdist that each compute on all cores slow one another down.
        environment.setenv("OMP_NUM_THREADS", "1")


LONGEST = (
    "hosts/test_slurm.py",
    "test_docs.py",
    "test_sweep_end_to_end.py",
    "cluster/test_gpus.py",
)
"""Files whose tests come first, so that no process of pytest-xdist has one left at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def no_real_data() -> str:
    folder = Path(os.environ[REAL])
    absent = [path for path in PINS if not (folder / path).is_file()]
    said = f"needs the public corpora, but {folder} lacks {len(absent)} of their {len(PINS)} files"
    return f"{said}: raysearch data fetch all, or RAYSEARCH_DATA" if absent else ""


def no_hosts() -> str:
    absent = missing()
    return f"test hosts need {', '.join(absent)}" if absent else ""


def no_browser() -> str:
    here = shutil.which("chromium") and shutil.which("chromedriver")
    return "" if here else "needs Chromium: apt-get install chromium chromium-driver"


NEEDS: dict[str, Callable[[], str]] = {
    "real_data": no_real_data,
    "hosts": no_hosts,
    "browser": no_browser,
}
"""Mark to what gives the reason why its tests cannot be run here, "" if they can."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark, reason in NEEDS.items():
        if item.get_closest_marker(mark) and (said := reason()):
            pytest.skip(said)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    report = yield
    if item.config.getoption("--no-skips") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"must not be skipped here: {reason_of(report)}"
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport]:
    """A file that skips all its tests at once, when it is read."""
    report = yield
    if collector.config.getoption("--no-skips") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"must not be skipped here: {reason_of(report)}"
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)


@pytest.fixture(scope="session")
def shared_ray() -> Iterator[SharedRay]:
    """The Ray of this process; a test takes `one_ray` or `no_ray`, a wider fixture takes this."""
    shared = SharedRay()
    yield shared
    shared.down()


@pytest.fixture
def one_ray(shared_ray: SharedRay) -> None:
    """Ray runs, and is shared with other tests."""
    shared_ray.up()


@pytest.fixture
def no_ray(shared_ray: SharedRay) -> None:
    """Ray does not run in this process."""
    shared_ray.down()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real corpora; for tests with the mark of this name."""
    return Path(os.environ[REAL])


@pytest.fixture(scope="session", params=["made", pytest.param("real", marks=pytest.mark.real_data)])
def any_data(request: pytest.FixtureRequest) -> Path:
    """The folder of the made corpora, and of the real ones where they are."""
    return data_dir() if request.param == "made" else Path(os.environ[REAL])
