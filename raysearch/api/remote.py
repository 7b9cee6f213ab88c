"""A sweep on a cluster, from this machine: what is sent there, and the job that it becomes.

What can be checked is checked here first, since a cluster takes minutes and costs. The sweep
then is a job of the cluster: it continues without this process, and the same call finds it again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import SweepOptions, words_of
from raysearch.api.sweep_plan import check_held, check_inputs, plan_of, settings_of
from raysearch.api.watch import refuse_others
from raysearch.cluster.prices import read_prices
from raysearch.cluster.ray_version import check_ray
from raysearch.cluster.remote import jobs, launch
from raysearch.cluster.remote.manifest import Site, check_manifest, read_site
from raysearch.cluster.slurm import session
from raysearch.cluster.slurm.queue import stop_jobs
from raysearch.cluster.slurm.site import is_slurm_file
from raysearch.errors import ConfigError, RaysearchError
from raysearch.render.format import duration
from raysearch.search.plan import SweepPlan
from raysearch.storage.uri import is_uri, redacted, secret_parts

__all__ = ["check_cluster", "latest_job", "secret_problem", "stop", "submit"]

_DATA = "data"
"""The corpora's folder in the working tree, where nothing else is said."""


def submit(
    options: SweepOptions, typed: Collection[str], messages: Messages = QUIET, *, form: str = "text"
) -> str:
    """Check the sweep, start the cluster if needed, and start the sweep if it is not running.

    Args:
        options: Of the sweep.
        typed: Names of the options that were given; the cluster file says the others.
        messages: Where to say how far it is.
        form: Of the output that is asked for; only text can be shown.

    Returns:
        The job's id.

    Raises:
        RaysearchError: What would end the sweep at once, or the cluster cannot be reached.
    """
    check_ray()
    cluster = str(options.cluster)
    options = replace(options, settings=settings_of(options), config=None)
    site = _site(options, cluster, form)
    plan, space = _checked(_with_hardware(options, site, typed), site)
    words = _words(options, typed, site, plan)
    return _job(cluster, plan.name, words, space, messages)


def _site(options: SweepOptions, cluster: str, form: str) -> Site:
    """The cluster's settings for sweeps, overridden by the command line's."""
    if options.address is not None:
        raise ConfigError("`--address` must be left out with --cluster, which says what to join")
    if launch.is_url(cluster):
        site = Site(tree=Path.cwd())
    elif unset := check_manifest(Path(cluster)):
        raise ConfigError(unset)
    else:
        site = read_site(Path(cluster))
    storage, data = str(options.storage), str(options.data_dir or "")
    site = replace(site, storage=storage or site.storage, data=data or site.data or _DATA)
    if problems := [*_unusable(options, site, form), *_secrets(options, site)]:
        raise ConfigError(problems)
    return site


def _unusable(options: SweepOptions, site: Site, form: str) -> Iterator[str]:
    """Options that cannot be used on a cluster."""
    if form != "text":
        yield "`--format` must be text with --cluster"
    if options.quiet:
        yield "`--quiet` must be left out with --cluster, where Ctrl-C ends the watching only"
    if not (is_uri(site.storage) or Path(site.storage).is_absolute()):
        yield (
            "`--storage` must be a full path or a URI that every node can write, or stand in the "
            f"cluster file as provider.raysearch.storage, but got {site.storage!r}"
        )
    if options.slots is None and "--slots" not in site.options:
        yield (
            "`--slots` must be given with --cluster, or stand in the cluster file as "
            "provider.raysearch.slots: it is how many trials run at once"
        )
    prices = options.prices
    if prices is not None and not Path(prices).resolve().is_relative_to(site.tree):
        yield f"`--prices` must be a file of the working tree, which the head has, but got {prices}"


def _secrets(options: SweepOptions, site: Site) -> Iterator[str]:
    """Secrets that would be visible in the job's command."""
    sent = replace(options, cluster=None, results="", storage=site.storage, data_dir=site.data)
    given: dict[str, str] = {**site.options}
    for word in words_of(sent):
        option, _, value = word.partition("=")
        given[option] = f"{given[option]} {value}" if option == "--set" in given else value
    for option, value in given.items():
        if found := secret_parts(value):
            yield secret_problem(option, found)


def secret_problem(option: str, found: Sequence[str], where: str = "--cluster") -> str:
    """The sentence on secrets in an option that others can read; `where` says what shows it."""
    what, cure = "credentials", "the nodes' role gives them theirs"
    if option == "--study":
        what, cure = "password", "give the head another way to it, such as ~/.pgpass"
    return (
        f"`{option}` must have no {what} with {where}, since the job's command can be read "
        f"there, but has {', '.join(found)}; {cure}"
    )


def _with_hardware(options: SweepOptions, site: Site, typed: Collection[str]) -> SweepOptions:
    """The options with what the cluster file says of slots and their workers."""
    kinds = {"slots": int, "cpus_per_worker": float, "gpus_per_worker": float, "gpu_types": str}
    said = {name: site.options.get(f"--{name.replace('_', '-')}") for name in kinds}
    taken = {n: kinds[n](text) for n, text in said.items() if text and n not in typed}
    return replace(options, **taken)


def _checked(options: SweepOptions, site: Site) -> tuple[SweepPlan, str]:
    """The plan as on the cluster, as far as this machine can know it, and its space's text."""
    plan = plan_of(replace(options, storage=site.storage, data_dir=str(site.tree / site.data)))
    refuse_others(plan.folder, redacted(plan.root))
    if not launch.is_url(str(options.cluster)):
        check_held(plan, read_prices(Path(str(options.cluster))), slots=plan.slots)
    if not Path(site.data).is_absolute():  # a folder of the nodes' cannot be looked into
        check_inputs(plan)
    space = Path(plan.space.source).read_text(encoding="utf-8")
    if found := secret_parts(space):
        raise ConfigError(secret_problem("--space", found))
    return plan, space


def _words(options: SweepOptions, typed: Collection[str], site: Site, plan: SweepPlan) -> list[str]:
    """The head's command: the user's options, with the cluster's paths."""
    there = replace(
        options,
        cluster=None,
        space=None,
        results=SweepOptions.results,
        name=plan.name,
        storage=site.storage,
        data_dir=site.data,
        address="auto",
        settings=options.setting_texts | _folders(plan, site),
    )
    names = {option: option.removeprefix("--").replace("-", "_") for option in site.options}
    defaults = [f"{o}={value}" for o, value in site.options.items() if names[o] not in typed]
    return ["sweep", options.method, *defaults, *words_of(there), "--format", "json"]


def _folders(plan: SweepPlan, site: Site) -> dict[str, str]:
    """Settings that name folders, with the paths on the nodes."""
    found, problems = {}, []
    for name, value in plan.space.setting.items():
        if not (isinstance(value, str) and Path(value).is_absolute() and Path(value).is_dir()):
            continue
        folder = Path(value).resolve()
        if folder.is_relative_to(site.tree):
            found[name] = str(folder.relative_to(site.tree))
        elif not any(
            Path(place).is_absolute() and folder.is_relative_to(place)
            for place in (site.storage, site.data)
        ):
            problems.append(
                f"`{name}` must be a folder that the nodes have, but {value} is neither in the "
                f"working tree {site.tree}, which goes to them, nor in their storage or data"
            )
    if problems:
        raise ConfigError(problems)
    return found


def _job(cluster: str, name: str, words: Sequence[str], space: str, messages: Messages) -> str:
    """The job of this sweep; starts it, and the cluster, if needed."""
    busy = False
    try:
        with launch.connect(cluster) as client:
            if job := jobs.running_sweep(client, name, words, space):
                messages.note(f"raysearch: {job} runs already, and is watched")
                return job
            busy = jobs.any_running(client)
    except launch.NoAnswerError:
        if launch.is_url(cluster):
            raise
    if busy:
        messages.note(
            "raysearch: another sweep runs there, so the nodes keep the working tree that it began "
            "with; this one runs if that is the same as here"
        )
    elif not launch.is_url(cluster):
        _bring_up(cluster, messages)
    with launch.connect(cluster) as client:
        # Asked again, since a head that did not answer may have been up all the time.
        job = jobs.running_sweep(client, name, words, space)
        brought = not (busy or launch.is_url(cluster))
        job = job or jobs.submit(client, name, words, space, same_code=not brought)
    messages.note(f"raysearch: {job} runs; Ctrl-C ends the watching, not the sweep")
    return job


def _bring_up(cluster: str, messages: Messages) -> None:
    """Start the cluster, and report the wait."""
    began = time.monotonic()
    messages.note(
        f"raysearch: bringing the cluster of {cluster} up; from nothing this takes some minutes"
    )

    def tell(step: str) -> None:
        messages.note(f"raysearch: {duration(time.monotonic() - began):>6} {step}")

    launch.bring_up(Path(cluster), tell)


def latest_job(cluster: str, results: Path) -> str:
    """The id of the sweep that started last on a cluster.

    Args:
        cluster: The cluster file, the URL of a dashboard, or a Slurm file.
        results: Tells of the jobs of Slurm that have ended.

    Raises:
        RaysearchError: The cluster cannot be reached, or has no sweep.
    """
    if is_slurm_file(cluster):
        return session.latest(results)[0]
    with launch.connect(cluster) as client:
        return jobs.latest_sweep(client)


def stop(
    cluster: str, job: str | None = None, *, down: bool = False, messages: Messages = QUIET
) -> tuple[str, bool]:
    """Stop a job and wait for its end; then, if asked, take the cluster down.

    Args:
        cluster: The cluster file, a dashboard's URL, or a Slurm file.
        job: The job's id; None for the sweep that began last.
        down: Whether to end the cluster's nodes, too, also where the job cannot be stopped.
        messages: Where to say that it cannot.

    Returns:
        The job's id, empty where it cannot be stopped, and whether it ran until now.

    Raises:
        RaysearchError: The cluster cannot be identified or reached, or has no such job.
    """
    check_cluster(cluster)
    if is_slurm_file(cluster):
        if down:
            raise ConfigError("`--down` must be left out with Slurm: the nodes go with the job")
        return stop_jobs(job)
    if down and launch.is_url(cluster):
        raise ConfigError("`--down` must go with a cluster file: Ray's launcher ends what it began")
    stopped = False
    try:
        with launch.connect(cluster) as client:
            job = job or jobs.latest_sweep(client)
            stopped = jobs.stop(client, job)
    except RaysearchError as error:
        if not down:
            raise
        messages.note(f"raysearch: {error}")  # the nodes cost, whatever the sweep does
        job = ""
    if down:
        launch.take_down(Path(cluster))
    return job, stopped


def check_cluster(cluster: str) -> None:
    """Check that the cluster can be identified.

    Raises:
        ConfigError: It is neither a file nor a URL.
    """
    if not launch.is_url(cluster) and not Path(cluster).is_file():
        raise ConfigError(
            f"FILE must be a cluster file, a Slurm file or the URL of a head's dashboard, but got "
            f"{cluster}; "
            "`raysearch sweep METHOD --cluster FILE` begins a sweep on one"
        )
