"""A sweep in jobs of Slurm, from a login node: what is submitted, found, and stopped.

The folder of results lies on a file system that the nodes share, so the rows are at once here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import SweepOptions, words_of
from raysearch.api.remote import secret_problem
from raysearch.api.sweep_plan import check_encoders, check_held, check_inputs, plan_of
from raysearch.api.watch import refuse_copy
from raysearch.cluster.ray_version import check_ray
from raysearch.cluster.remote.jobs import command_digest, other_command
from raysearch.cluster.remote.launch import read_token
from raysearch.cluster.slurm import queue
from raysearch.cluster.slurm.script import job_script
from raysearch.cluster.slurm.session import FOLDER
from raysearch.cluster.slurm.site import SlurmSite, check_slurm_file, read_slurm_site
from raysearch.errors import ConfigError
from raysearch.search.plan import SweepPlan
from raysearch.storage import write_files
from raysearch.storage.uri import secret_parts

__all__ = ["submit_to_slurm", "with_slurm_site"]

_SCRIPT = "job.sh"


def submit_to_slurm(
    options: SweepOptions, typed: Collection[str], messages: Messages = QUIET, *, form: str = "text"
) -> str:
    """Check the sweep, and submit its jobs if none of them waits or runs.

    Args:
        options: Of the sweep.
        typed: Names of the options that were given; the Slurm file says the others.
        messages: Where to say what was submitted.
        form: Of the output that is asked for; only text can be shown.

    Returns:
        The number that ``sbatch`` gave.

    Raises:
        RaysearchError: What would end the sweep at once, or Slurm refuses it.
    """
    check_ray()
    path = Path(str(options.slurm))
    if unset := check_slurm_file(path):
        raise ConfigError(unset)
    site = read_slurm_site(path)
    options = with_slurm_site(options, typed, site)
    if problems := list(_unusable(options, form)):
        raise ConfigError(problems)
    read_token()
    plan = plan_of(options)
    refuse_copy(plan.folder)
    check_inputs(plan)
    check_encoders(plan, ask=True)
    check_held(plan, replace(site, partitions=(site.partition,)).price_table(), slots=plan.slots)
    folder = plan.folder.resolve()
    space = Path(plan.space.source).read_text(encoding="utf-8")
    words = _words(options, plan, folder)
    if problems := list(_secrets(words, space)):
        raise ConfigError(problems)
    return _submitted(site, folder, words, space, messages)


def with_slurm_site(options: SweepOptions, typed: Collection[str], site: SlurmSite) -> SweepOptions:
    """The options completed from the file; a trial takes a GPU where the nodes have some."""
    its = dict(site.options)
    if "data" in its:
        its["data_dir"] = its.pop("data")
    its.setdefault("gpus_per_worker", min(1, site.partition.gpus))
    options = replace(options, **{n: value for n, value in its.items() if n not in typed})
    if options.slots is not None:
        return options
    slots = site.slots(
        cpus=options.cpus_per_worker,
        gpus=options.gpus_per_worker or 0,
        workers=options.workers_per_trial,
    )
    return replace(options, slots=slots)


def _unusable(options: SweepOptions, form: str) -> Iterator[str]:
    """Options that cannot be used with Slurm."""
    for name in ("cluster", "address", "max_cost", "prices", "gpu_types"):
        if getattr(options, name) is not None:
            yield f"`--{name.replace('_', '-')}` must be left out with --slurm"
    if form != "text":
        yield "`--format` must be text with --slurm"
    if options.quiet:
        yield "`--quiet` must be left out with --slurm, where Ctrl-C ends the watching only"


def _words(options: SweepOptions, plan: SweepPlan, folder: Path) -> list[str]:
    """The job's command: the user's options with full paths, from the method on."""
    there = replace(
        options,
        slurm=None,
        space=str(folder / FOLDER / f"{plan.name}.yaml"),
        results=str(folder.parent),
        name=plan.name,
        data_dir=plan.data_dir,
        storage=plan.storage,
        stages=plan.stages,
    )
    return [options.method, *words_of(there)]


def _secrets(words: Sequence[str], space: str) -> Iterator[str]:
    """Secrets that would stand in the job's script."""
    for word in words:
        option, _, value = word.partition("=")
        if found := secret_parts(value):
            yield secret_problem(option, found, "--slurm")
    if found := secret_parts(space):
        yield secret_problem("--space", found, "--slurm")


def _submitted(
    site: SlurmSite, folder: Path, words: Sequence[str], space: str, messages: Messages
) -> str:
    """The job of this sweep; submits it if needed."""
    command = command_digest(words, space)
    for job in queue.queued():
        if job.folder == folder:
            if job.command != command:
                raise other_command(folder.name)
            messages.note(f"raysearch: {job.base} is in Slurm's queue already, and is watched")
            return job.base
    script = job_script(site, folder, Path.cwd(), command, words)
    place = folder / FOLDER
    files = {f"{folder.name}.yaml": space.encode(), _SCRIPT: script.encode()}
    write_files(place, files)
    base = queue.submit(place / _SCRIPT)
    messages.note(
        f"raysearch: job {base} of {place / _SCRIPT} is submitted to {site.partition.name}; "
        f"Ctrl-C ends the watching, not the sweep"
    )
    return base
