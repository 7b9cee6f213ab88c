"""The benchmark of faults: its counts by hand, and one kill of each system for real."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from faults_count import count, redone_steps
from faults_kills import TARGETS, Campaign, Kill
from faults_work import INTERVAL, STEPS, MapWork


def test_redone_steps_by_hand() -> None:
    # Two trials; a kill after line 4 sends both back, one after line 7 only the second.
    steps = ["0.1 1", "0.2 1", "0.1 2", "0.2 2", "0.1 2", "0.2 2", "0.1 3", "0.2 2", "0.2 3"]
    assert redone_steps(steps, [4, 7]) == (3, 1, 0)
    assert redone_steps(steps, [4]) == (3, 2, 0)  # both of the second trial's to one kill
    assert redone_steps(steps[:4], [4]) == (0, 0, 0)
    again = [f"0.1 {step}" for step in range(1, INTERVAL + 2)]
    assert redone_steps(again + again, [INTERVAL + 1]) == (INTERVAL + 1, INTERVAL + 1, 1)


def test_what_is_lost_twice_or_wrong_by_hand(tmp_path: Path) -> None:
    campaign = Campaign("tune", "map", kills=1, seed=0, step_seconds=0, folder=tmp_path)
    events = [
        {"event": "sweep", "sweep": 0, "index": 0, "trials": 4},
        {"event": "kill", "sweep": 0, "number": 0, "target": "driver", "line": 1, "how": ""},
        {"event": "life", "sweep": 0, "seconds": 3.0, "how": "killed"},
        {"event": "life", "sweep": 0, "seconds": 4.0, "how": "end"},
        {"event": "end", "sweep": 0},
    ]
    campaign.journal.write_text("".join(json.dumps(event) + "\n" for event in events))
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "log").write_text("0.1 1\n0.1 1\n")
    (folder / "told").write_text("0.1\n0.2\n0.2\n0.3\n")  # 0.2 was told of twice
    right = MapWork(log="").value
    # 0.3 is missing, 0.4 is held twice, and the value of 0.2 is that of one step less.
    held = [(0.1, right(0.1)), (0.2, right(0.2, STEPS - 1)), (0.4, right(0.4)), (0.4, right(0.4))]
    (folder / "result.json").write_text(json.dumps(held))
    found = count(campaign)
    assert (found["trials"], found["lost"], found["duplicated"], found["wrong"]) == (3, 1, 2, 1)
    assert (found["kills"], found["redone"], found["seconds"]) == (1, 1, 7.0)


def test_instants_are_drawn_alike_and_hit_everything() -> None:
    kills = [Kill.draw(3, number) for number in range(200)]
    assert kills == [Kill.draw(3, number) for number in range(200)]
    assert {kill.target for kill in kills} == set(TARGETS)
    assert any(kill.steps == 0 for kill in kills)  # before the driver is up


def test_the_map_tells_a_step_left_out_or_taken_twice(tmp_path: Path) -> None:
    work, told = MapWork(log=str(tmp_path / "log")), []
    restored = tmp_path / "checkpoint"

    def tell(path: Path, value: float) -> None:
        told.append(value)
        if len(told) == 3:
            restored.write_bytes(path.read_bytes())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.run(0.7, None, tell)
    work.run(0.7, restored, tell)
    assert told == [work.value(0.7, step) for step in range(INTERVAL, STEPS + 1, INTERVAL)]
    assert abs(work.value(0.7) - work.value(0.7, STEPS - 1)) > 1e-3
    assert abs(work.value(0.7) - work.value(0.7, STEPS + 1)) > 1e-3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("system", "target"), [("raysearch", "worker"), ("tune", "driver")])
def test_one_kill_for_real(tmp_path: Path, system: str, target: str) -> None:
    seed = next(
        seed
        for seed in range(100)
        if Kill.draw(seed, 0).target == target and 0 < Kill.draw(seed, 0).steps < 30
    )
    campaign = Campaign(system, "map", kills=1, seed=seed, step_seconds=0.03, folder=tmp_path)
    campaign.run()
    found = count(campaign)
    assert found["targets"] == {target: 1}
    assert (found["trials"], found["lost"], found["wrong"], found["not_restored"]) == (4, 0, 0, 0)
    assert found["steps"] == 4 * STEPS
    if system == "raysearch":
        assert found["duplicated"] == found["over_bound"] == 0
    campaign.run()  # it is over: nothing happens
    assert count(campaign) == found
