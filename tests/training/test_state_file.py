"""What a state file gives back, which damage it tells, and who else can open it."""

import io
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from raysearch.training.seed import random_state
from raysearch.training.state_file import DamagedStateError, read_state, write_state


def written(state: dict[str, Any], key: str = "k") -> bytes:
    file = io.BytesIO()
    write_state(file, state, kind="checkpoint", key=key)
    return file.getvalue()


def read(data: bytes, **expected: Any) -> dict[str, Any]:
    return read_state(io.BytesIO(data), **{"kind": "checkpoint", **expected})[0]


def trained() -> dict[str, Any]:
    """What a checkpoint holds: weights, an optimizer with moments, generators, counters."""
    model = nn.Sequential(nn.Embedding(50, 64), nn.Linear(64, 64), nn.LayerNorm(64))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.arange(50)).square().sum().backward()
    optimizer.step()
    return {
        "method": model.state_dict(),
        "optimizers": {"main": optimizer.state_dict()},
        "random": random_state(),
        "position": {"done": 3, "seconds": 0.1 + 0.2, "sums": {}, "accepted": ["a"]},
    }


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        bits = [one.contiguous().reshape(-1).view(torch.uint8) for one in (first, second)]
        alike = first.dtype == second.dtype and first.shape == second.shape
        return alike and torch.equal(*bits)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=True)
        return type(first) is type(second) and all(same(*pair) for pair in pairs)
    return bool(first == second or (first != first and second != second))


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 0, -(2**70), 0.1, -0.0, math.inf, math.nan, "é\n", "", [], (), {}),
        *((1, (2, [3, None])), {0: "int", "0": "text", None: 1}, {"tensor": 1}, {"map": []}),
        *(torch.tensor(3), torch.empty(0, 4), torch.eye(3).T, torch.tensor([True, False])),
        torch.tensor([math.nan, -0.0, math.inf]),
        torch.arange(6, dtype=torch.bfloat16)[::2],
        torch.arange(3, dtype=torch.uint8),
    ],
    ids=repr,
)
def test_what_is_written_comes_back_bit_by_bit(value: Any) -> None:
    found = read(written({"x": value}))["x"]
    assert same({"x": value}, {"x": found})
    assert type(found) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)


def test_a_checkpoint_comes_back_and_can_be_gone_on_from() -> None:
    state = trained()
    found = read(written(state))
    assert same(
        {**state, "method": dict(state["method"])}, found
    )  # an ordered mapping comes back as a plain one
    model = nn.Sequential(nn.Embedding(50, 64), nn.Linear(64, 64), nn.LayerNorm(64))
    model.load_state_dict(found["method"])
    torch.optim.AdamW(model.parameters()).load_state_dict(found["optimizers"]["main"])
    random.setstate(found["random"]["python"])
    found["method"]["1.bias"].add_(1)  # the memory is the reader's own


def test_tied_weights_are_written_once() -> None:
    weight = torch.zeros(100, 100)
    data = written({"in": weight, "out": weight.detach(), "other": torch.zeros(100, 100)})
    assert 80_000 < len(data) < 82_000
    found = read(data)
    assert found["in"].data_ptr() == found["out"].data_ptr() != found["other"].data_ptr()


def test_any_program_opens_the_tensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(written({"a": {"b.c": torch.ones(2), "b": {"c": torch.zeros(1)}}, "n": 3}))
    with safe_open(path, "pt") as opened:
        assert sorted(opened.keys()) == ["a.b.c", "a.b.c~2"]
        assert opened.get_tensor("a.b.c").tolist() == [1, 1]
        assert opened.metadata()["kind"] == "checkpoint"


@pytest.mark.parametrize(
    "value", [{1, 2}, b"raw", object(), np.zeros(3), torch.zeros(2).to_sparse()]
)
def test_what_cannot_be_kept_is_named(value: Any) -> None:
    with pytest.raises((TypeError, RuntimeError)):
        written({"a": [value]})


def test_no_zeroed_block_and_no_flipped_bit_gets_through() -> None:
    """Every 4 KiB block in turn, and 300 single bits drawn anywhere, the header included."""
    state = trained()
    data = written(state)
    assert len(data) > 60_000
    silent = 0
    for start in range(0, len(data), 4096):
        block = data[start : start + 4096]
        damaged = data[:start] + bytes(len(block)) + data[start + 4096 :]
        if damaged != data:
            with pytest.raises(DamagedStateError):
                read(damaged)
    chance = random.Random(0)
    for _ in range(300):
        at = chance.randrange(len(data))
        damaged = data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
        try:
            found = read(damaged)
        except DamagedStateError:
            continue
        silent += 1  # a blank between two parts of the header, which says nothing
        assert same({**state, "method": dict(state["method"])}, found)
    assert silent < 3


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_file_that_was_cut_off(length: int) -> None:
    with pytest.raises(DamagedStateError):
        read(written(trained())[:length])


def test_whose_it_is() -> None:
    file = io.BytesIO()
    digest = write_state(file, {"x": 1}, kind="weights", key="mine")
    data = file.getvalue()
    assert read(data, kind="weights", key="mine", digest=digest) == {"x": 1}
    with pytest.raises(DamagedStateError, match="other settings, data or code"):
        read(data, kind="weights", key="another's")
    with pytest.raises(DamagedStateError, match="not the recorded one"):
        read(data, kind="weights", digest="0" * 64)
    with pytest.raises(DamagedStateError, match="not a checkpoint"):
        read(data)


def test_the_digest_is_of_the_content() -> None:
    """The same state has the same digest; another key, value, type or name has another."""
    states = [
        ({"x": torch.zeros(2)}, "k"),
        ({"x": torch.zeros(2)}, "l"),
        ({"y": torch.zeros(2)}, "k"),
        ({"x": torch.zeros(1, 2)}, "k"),
        ({"x": torch.zeros(2, dtype=torch.int32)}, "k"),
        ({"x": torch.tensor([0.0, -0.0])}, "k"),
        ({"x": [0, 0]}, "k"),
    ]
    found = [write_state(io.BytesIO(), state, kind="w", key=key) for state, key in states * 2]
    assert len(set(found)) == len(states) and found[: len(states)] == found[len(states) :]


def test_a_strangers_metadata_is_no_traceback() -> None:
    for plain in ("[" * 100_000, '{"map": [[[], 1]]}', '{"tensor": "no"}', '{"a": 1, "b": 2}', "3"):
        about = {"format": "raysearch state 1", "kind": "checkpoint", "key": "k", "state": plain}
        header = json.dumps({"__metadata__": {**about, "sha256": "0" * 64}}).encode()
        with pytest.raises(DamagedStateError):
            read(len(header).to_bytes(8, "little") + header)
