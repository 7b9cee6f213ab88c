"""Which nodes are left out of a sweep because GPUs failed there again and again.

One fault says little: a trial may have caused it, or a cosmic ray. What accuses a GPU is that it
fails in a row under several runs, or under a run and the check before the next one, with nothing
done in between. Then its whole node is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from raysearch.cluster.gpus import ACCELERATOR, GpuPlace
from raysearch.printable import counted

__all__ = ["MAX_FAULTS", "GpuFaults"]

MAX_FAULTS = 3
"""Faults of a GPU in a row, not all of one run, after which its node is left out."""
MOST_NODES = 3
"""Nodes left out after which a sweep with no other node ends: the next ones would be like them."""
_NODE = "ray.io/node-id"


class GpuFaults:
    """The faults of GPUs since each last worked."""

    def __init__(self) -> None:
        self._in_a_row: dict[GpuPlace, list[str]] = {}
        self._out: dict[str, str] = {}

    def failed(self, place: GpuPlace, run_id: str, text: str) -> str:
        """Note a fault.

        Args:
            place: The GPU.
            run_id: The run that met it; empty for a check between runs.
            text: The error.

        Returns:
            The sentence for a node that is left out from now on; empty for any other.
        """
        faults = self._in_a_row.setdefault(place, [])
        faults.append(run_id)
        of_one_run = set(faults) == {run_id} and run_id
        if len(faults) < MAX_FAULTS or of_one_run or place.node in self._out:
            return ""
        self._out[place.node] = (
            f"{place} failed {len(faults)} times in a row, so that the sweep leaves "
            f"{place.host} out: {text}"
        )
        return self._out[place.node]

    def worked(self, places: Iterable[GpuPlace]) -> None:
        """These GPUs have done a part of a run."""
        for place in places:
            self._in_a_row.pop(place, None)

    def selector(
        self, too_small: Collection[str], types: Sequence[str] = (), most: int = 1
    ) -> dict[str, str]:
        """Ray's labels of the nodes that are left; empty for all.

        Args:
            too_small: Types of GPUs that are left out, too.
            types: The only types that are taken, in the order in which they are asked for.
            most: How many of these may be asked for at once, from the first on.
        """
        parts = {_NODE: sorted(self._out), ACCELERATOR: sorted(filter(None, too_small))}
        found = {label: f"!in({','.join(names)})" for label, names in parts.items() if names}
        if fit := [name for name in types if name not in too_small]:
            found[ACCELERATOR] = f"in({','.join(fit[:most])})"
        return found

    def refusal(self, nodes: Mapping[str, str]) -> str:
        """Why the sweep cannot go on; empty if it can.

        Args:
            nodes: The living nodes with GPUs, and the type of these.
        """
        if not self._out or nodes.keys() - self._out.keys():
            return ""
        if len(nodes) > 1 and len(self._out) < MOST_NODES:
            return ""
        return (
            f"a sweep must have a GPU that works, but {counted(len(self._out), 'node')} with GPUs "
            f"had to be left out: {'; '.join(self._out.values())}. Hide a broken GPU with "
            "CUDA_VISIBLE_DEVICES, restart the machine, or give `--gpus-per-worker 0`; the same "
            "command goes on from here"
        )
