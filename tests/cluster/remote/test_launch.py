"""What the launcher says to the user, and that its tunnel ends with whoever opened it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysearch.cluster.remote import launch
from raysearch.errors import ConfigError, RaysearchError

MANIFEST = Path("cluster.yaml")


def test_nothing_is_started_from_a_file_with_unset_fields() -> None:
    with pytest.raises(ConfigError) as caught:
        launch.bring_up(Path(__file__).parents[3] / "cluster.yaml")
    assert len(caught.value.problems) == 5


def test_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "auth_token"))
    with (
        pytest.raises(ConfigError, match="ray get-auth-token --generate"),
        launch.connect(MANIFEST),
    ):
        pass


def test_what_the_launcher_said_reaches_the_user(tmp_path: Path) -> None:
    with pytest.raises(RaysearchError, match=r"`ray down --yes .*none.yaml` must succeed, but"):
        launch.take_down(tmp_path / "none.yaml")


def test_the_steps_of_the_launcher_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = [
        "Fetched IP",
        "  [1/7] Waiting for SSH",
        "    (0/2) mkdir x",
        "Done: [a]",
        "x [7/7] Ray",
    ]
    script = tmp_path / "ray.py"
    script.write_text("".join(f"print({line!r})\n" for line in said))
    monkeypatch.setattr(launch, "_RAY", (sys.executable, str(script)))
    monkeypatch.setattr(launch, "check_manifest", lambda path: ())
    steps: list[str] = []
    launch.bring_up(MANIFEST, steps.append)
    assert steps == ["[1/7] Waiting for SSH", "(0/2) mkdir x", "[7/7] Ray"]


@pytest.mark.parametrize(("runs", "ups"), [(True, ["--no-restart"]), (False, ["--no-restart", ""])])
def test_a_head_on_which_ray_has_ended_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runs: bool, ups: list[str]
) -> None:
    script, calls = tmp_path / "ray.py", tmp_path / "calls"
    script.write_text(
        f"import sys\nopen({str(calls)!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"sys.exit(sys.argv[1] == 'exec' and {not runs})"
    )
    monkeypatch.setattr(launch, "_RAY", (sys.executable, str(script)))
    monkeypatch.setattr(launch, "check_manifest", lambda path: ())
    launch.bring_up(MANIFEST)
    words = [line.split() for line in calls.read_text().splitlines() if line.startswith("up")]
    assert [" ".join(word for word in line if word == "--no-restart") for line in words] == ups


def test_a_url_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a" * 64)
    begun = time.monotonic()
    with (
        pytest.raises(launch.NoAnswerError, match=r"the head of http://127.0.0.1:9 must be reach"),
        launch.connect("http://127.0.0.1:9"),
    ):
        pass
    assert time.monotonic() - begun < 30, "nothing is waited for: there is no tunnel to open"


TUNNEL = """\
import sys, time
from pathlib import Path
from raysearch.cluster.remote import launch
launch._RAY = ("sh", "-c", 'echo $$ > "$0"; exec sleep 100', sys.argv[1])
with launch._tunnel(Path("cluster.yaml"), 1):
    print("open", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_the_tunnel_ends_with_its_process(tmp_path: Path, end: signal.Signals) -> None:
    file = tmp_path / "pid"
    words = [sys.executable, "-c", TUNNEL, str(file)]  # a job in the background has SIGINT off
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout and process.stdout.readline() == "open\n"
        pid = wait_for(lambda: file.is_file() and file.read_text().strip())
        process.send_signal(end)
    wait_for(lambda: not alive(int(pid)))


def test_a_tunnel_that_ends_by_itself_is_seen() -> None:
    launch_ray, launch._RAY = launch._RAY, ("false",)
    try:
        with launch._tunnel(MANIFEST, 1) as process:
            wait_for(lambda: process.poll() is not None)
    finally:
        launch._RAY = launch_ray


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # before the file is opened, or while it is read
        return False


def wait_for(what: object) -> str:
    deadline = time.monotonic() + 20
    while not (found := what()):  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(found)
