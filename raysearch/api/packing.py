"""Packs several trials on a GPU, by number or by the measured memory of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import read_pack
from raysearch.cluster.gpus import visible_gpus
from raysearch.cluster.packing import MARGIN, Packing, fraction, measure_on_cluster, pack_by_peak
from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.run import RunSpec
from raysearch.search.plan import SweepPlan

__all__ = ["packed"]

DRIVES_MEMORY = ("batch_size", "max_length")
"""Settings with which a trial's memory grows; where they are searched, the largest is measured."""


def packed(
    plan: SweepPlan, pack: int | str | None, *, slots: int | None, messages: Messages = QUIET
) -> SweepPlan:
    """The plan with the share of a GPU per worker, and the resulting number of slots.

    Without `pack`, workers that share a GPU or ``auto``, it stays as it is.

    Raises:
        ConfigError: There is no GPU, or one trial cannot be measured or does not fit.
    """
    if pack is None:
        return plan
    asked = read_pack(pack)
    if plan.address is None and visible_gpus() == 0:
        raise ConfigError(
            "`--pack` must have a GPU to share, but this machine has none; leave it out, or join "
            "a cluster that has"
        )
    if plan.address is not None and slots is None:
        raise ConfigError("`--slots` must be given with `--pack` where a cluster is joined")
    packing = Packing(trials=asked) if isinstance(asked, int) else _by_peak(plan, messages)
    if slots is None:
        at_once = packing.trials * visible_gpus() // plan.workers_per_trial
        plan = replace(plan, slots=max(1, min(plan.slots, at_once)))  # it had what the CPUs allow
    annotations = {**plan.annotations, **packing.annotations}
    return replace(plan, gpus_per_worker=fraction(packing.trials), annotations=annotations)


def largest_spec(plan: SweepPlan) -> RunSpec:
    """The paper's own setting, with what drives memory at its largest in the space."""
    config, _ = plan.space.paper_first()
    largest: dict[str, Any] = {
        item.name: max(item.choices) if item.kind == "choice" else int(item.high)  # type: ignore[type-var]
        for item in plan.space.searched
        if item.name in DRIVES_MEMORY
    }
    grown = {**config, **largest}
    read_config(plan.space.config_type, grown, where=plan.space.source)
    return RunSpec(
        sweep=plan.name,
        number=0,
        cell=plan.paper_cells[0],
        method=plan.space.method,
        config=grown,
        folder="",
    )


def _by_peak(plan: SweepPlan, messages: Messages) -> Packing:
    spec = largest_spec(plan)
    messages.note("measuring what one trial takes of a GPU")
    peaks = measure_on_cluster(
        spec,
        data_dir=plan.data_dir,
        address=plan.address,
        cpus=plan.cpus_per_worker,
        gpu_types=plan.gpu_types,
    )
    packing = pack_by_peak(peaks)
    sizes = ", ".join(f"{name} {spec.config[name]}" for name in DRIVES_MEMORY)
    taken = ", ".join(
        f"{peak.taken / 1e9:.2f} GB of the {peak.total / 1e9:.2f} GB of {peak.device}"
        for peak in peaks
    )
    messages.note(
        f"a trial ({sizes}) takes {taken}; with {MARGIN:.0%} on top, {packing.trials} share a GPU"
    )
    return packing
