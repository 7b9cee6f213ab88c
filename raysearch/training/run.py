"""Trains one run from its settings to its record, in any process."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import torch

from raysearch import distributed
from raysearch.config import flatten, read_config
from raysearch.errors import RunError, TooLargeError
from raysearch.methods import get_method
from raysearch.methods.base import Method
from raysearch.run import CHECKPOINT, Run, RunSpec, RunState
from raysearch.sources import SOURCES, Found, digests, recorded, sources_of, to_text
from raysearch.storage.uri import join, parent
from raysearch.training.checkpoint import save_weights
from raysearch.training.hardware import choose_hardware, matmul_format
from raysearch.training.loop import Fit
from raysearch.training.origin import method_source
from raysearch.training.progress import Listener
from raysearch.training.provenance import device_name, pick_device, provenance
from raysearch.training.seed import derive_seed, seed_everything
from raysearch.training.stages.cache import StageCache
from raysearch.training.stages.keys import stage_keys
from raysearch.training.steps import stage_rungs

__all__ = ["execute_run", "restore_method"]


def execute_run(
    spec: RunSpec,
    listener: Listener,
    *,
    data_dir: str,
    stages: str = "",
    limit: int | None = None,
    annotations: Mapping[str, str] = MappingProxyType({}),
) -> Run | None:
    """Train a run from its checkpoint or the start; only train and dev data are opened.

    The numbers depend on the run, the data and the code only, not on what ran in the process
    before.

    Args:
        spec: What to run, on which cell, and where its checkpoint is.
        listener: Receives progress and reports.
        data_dir: Folder of the corpora.
        stages: Folder or URI of the stages that several runs share; empty for ``stages``
            beside the runs' folder.
        limit: Size limit of these in bytes; None for `StageCache.default_limit`.
        annotations: Columns about the sweep's set-up for the row, beside its own provenance.

    Returns:
        The record, COMPLETE, or FAILED with its reason when it cannot be evaluated (a term that
        is not finite, a failure signature, memory); None when the listener stopped it, or its
        node is about to go and its checkpoint is written.

    Raises:
        RaysearchError: Data, encoder or storage that no trial of the sweep could use.
        TooLargeError: The trial needs more memory than this worker's GPU has; the other workers
            do not know.
    """
    device = pick_device()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    try:
        about: dict[str, Any] = {"data_dir": data_dir, "stages": stages, "limit": limit}
        return _execute(spec, listener, device, annotations, **about)
    except torch.OutOfMemoryError as error:
        said = str(error).split("\n")[0]  # the error itself holds all of the trial
    finally:
        # The process executes further runs: free this one's memory before the next is built.
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    raise TooLargeError(
        f"a trial must fit the memory of its GPU, but {spec.id} does not fit "
        f"{device_name(device)}: {said}"
    )


def _execute(
    spec: RunSpec,
    listener: Listener,
    device: torch.device,
    annotations: Mapping[str, str],
    *,
    data_dir: str,
    stages: str,
    limit: int | None,
) -> Run | None:
    """See `execute_run`; nothing of the trial is in memory when it has returned."""
    loader = get_method(spec.method)
    config = read_config(loader.config_type, spec.config, where=f"trial {spec.id}")
    hardware = choose_hardware(config.precision, device)
    used = replace(config, precision=hardware.precision)
    fit: Fit | None = None
    workers = {"workers": str(distributed.world_size())}
    where = {**provenance(spec.method), **hardware.annotations, **workers, **annotations}
    if device.type == "cuda":
        where["gpu"] = str(torch.cuda.get_device_properties(device).uuid)
    state, reason, complete = RunState.COMPLETE, "", False
    try:
        # Building draws initial weights, which must not depend on earlier runs in this process.
        seed_everything(derive_seed(spec.cell.seed, "build"))
        with recorded() as read:
            method = loader.build(
                used, spec.cell, device=device, roles=("train", "dev"), data_dir=data_dir
            )
        where.update(method.provenance)
        where[SOURCES] = _same_on_every_worker(spec, read)
        keys = stage_keys(
            method.stages(),
            method=spec.method,
            config={**flatten(config), "precision": hardware.numbers},
            provenance=method.provenance,
            seed=spec.cell.seed,
            rungs=stage_rungs(method.stages(), config.reports),
            workers=distributed.world_size(),
        )
        where["stage_key"] = keys[-1]
        listener.started(device_name(device), where)
        fit = Fit(
            method,
            used,
            seed=spec.cell.seed,
            checkpoint=join(spec.folder, CHECKPOINT),
            listener=listener,
            keys=keys,
            cache=_cache(stages or join(parent(spec.folder, 2), "stages"), limit),
        )
        with matmul_format(hardware):
            complete = fit.run()
        if complete and spec.keep and listener.owns():
            where["weights_sha256"] = save_weights(spec, fit.result, key=keys[-1])
    except RunError as error:
        state, reason = RunState.FAILED, str(error)
    if state is RunState.COMPLETE and not complete:  # stopped or preempted: the run stays open
        return None
    reports = tuple(fit.position.reports) if fit else ()
    where["steps_reused"] = str(fit.position.reused if fit else 0)
    if device.type == "cuda":
        where["gpu_peak_bytes"] = str(torch.cuda.max_memory_reserved(device))
    return Run(
        sweep=spec.sweep,
        number=spec.number,
        cell=spec.cell,
        method=spec.method,
        state=state,
        reason=reason,
        config=flatten(config),
        metrics=dict(reports[-1].metrics) if reports else {},
        curve=reports,
        steps=fit.position.done if fit else 0,
        seconds=fit.elapsed() if fit else 0.0,
        device=device_name(device),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance=where,
    )


def _same_on_every_worker(spec: RunSpec, read: Found) -> str:
    """Digests of what the trial read, as in its row.

    Raises:
        RunError: Its workers read different bytes under one name.
    """
    text = to_text({**digests(read), **method_source(spec.method)})
    gathered = [sources_of({SOURCES: str(other)}) for other in distributed.gather_objects(text)]
    names = {name for other in gathered for name in other}
    apart = [name for name in sorted(names) if len({other.get(name) for other in gathered}) > 1]
    if apart:
        raise RunError(
            f"the workers of a trial must read the same bytes, but have other ones of "
            f"{', '.join(apart)}; put the same files on every node"
        )
    return text


def _cache(root: str, limit: int | None) -> StageCache:
    return StageCache(root, StageCache.default_limit(root) if limit is None else limit)


def restore_method(
    spec: RunSpec, weights: Mapping[str, Any], *, roles: Sequence[str], data_dir: str
) -> Method:
    """The method of a finished trial with its final weights, for evaluation or export.

    Args:
        spec: A run that was executed with `keep`.
        weights: From `training.checkpoint.load_weights`.
        roles: The roles that may be opened; ``test`` for the one reading after selection.
        data_dir: Folder of the corpora.
    """
    loader = get_method(spec.method)
    config = read_config(loader.config_type, spec.config, where=f"trial {spec.id}")
    seed_everything(derive_seed(spec.cell.seed, "build"))
    method = loader.build(config, spec.cell, device=pick_device(), roles=roles, data_dir=data_dir)
    method.accept(method.stages()[-1], weights)
    return method
