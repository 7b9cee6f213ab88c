"""A block has its own number of threads, and what comes after it has those from before."""

from __future__ import annotations

import pytest
import torch

from raysearch.training.hardware import torch_threads


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(KeyError), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise KeyError
    assert torch.get_num_threads() == before
