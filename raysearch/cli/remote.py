"""`raysearch sweep … --cluster FILE`: one command from a laptop to a leaderboard on the laptop.

What can be checked is checked here first, since a cluster takes minutes and costs. The sweep
then is a job of the cluster: it goes on without this process, and the same command watches it
again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.cli.arguments import add_results, add_settings, parse_settings
from raysearch.cli.config_file import add_config
from raysearch.cli.parsing import examples
from raysearch.cli.sweep import check_inputs, plan_of
from raysearch.cli.watch import refuse_others, watch
from raysearch.cluster.ray_version import check_ray
from raysearch.errors import ConfigError
from raysearch.render.format import duration
from raysearch.storage.uri import is_uri, redacted, secret_parts

if TYPE_CHECKING:
    from raysearch.cluster.remote.manifest import Site
    from raysearch.search.plan import SweepPlan


__all__ = ["add_parser", "run_attach", "run_on_cluster", "run_stop"]

_DATA = "data"
"""The corpora's folder in the working tree, where nothing else is said."""


def run_on_cluster(args: argparse.Namespace) -> int:
    """Check, bring the cluster up if it is not, start the sweep if it does not run, watch it."""
    check_ray()
    site = _site(args)
    plan, space = _checked(args, site)
    job = _job(args.cluster, plan.name, _words(args, site, plan), space)
    return watch(args.cluster, job, Path(args.results))


def _site(args: argparse.Namespace) -> Site:
    """What the cluster says of its sweeps, with what the command line says instead.

    Raises:
        ConfigError: The cluster file cannot be used, or something is said nowhere.
    """
    from raysearch.cluster.remote.launch import is_url
    from raysearch.cluster.remote.manifest import Site, check_manifest, read_site

    if args.address is not None:
        raise ConfigError("`--address` must be left out with --cluster, which says what to join")
    if is_url(args.cluster):
        site = Site(tree=Path.cwd())
    elif unset := check_manifest(Path(args.cluster)):
        raise ConfigError(unset)
    else:
        site = read_site(Path(args.cluster))
    site = replace(
        site, storage=args.storage or site.storage, data=args.data_dir or site.data or _DATA
    )
    if problems := [*_unusable(args, site), *_secrets(args, site)]:
        raise ConfigError(problems)
    return site


def _unusable(args: argparse.Namespace, site: Site) -> Iterator[str]:
    """What cannot be done on a cluster."""
    if args.format != "text":
        yield "`--format` must be text with --cluster"
    if args.quiet:
        yield "`--quiet` must be left out with --cluster, where Ctrl-C ends the watching only"
    if not (is_uri(site.storage) or Path(site.storage).is_absolute()):
        yield (
            "`--storage` must be a full path or a URI that every node can write, or stand in the "
            f"cluster file as provider.raysearch.storage, but got {site.storage!r}"
        )
    if args.slots is None and "--slots" not in site.options:
        yield (
            "`--slots` must be given with --cluster, or stand in the cluster file as "
            "provider.raysearch.slots: it is how many trials run at once"
        )
    if args.prices is not None and not Path(args.prices).resolve().is_relative_to(site.tree):
        yield (
            f"`--prices` must be a file of the working tree, which the head has, but got "
            f"{args.prices}"
        )


_LEFT = ("cluster", "results", "run", "warn", "words")
"""Arguments that are not in the job's command; ``words`` are the others as they were typed."""


def _secrets(args: argparse.Namespace, site: Site) -> Iterator[str]:
    """What would be read in the job's command."""
    given = {
        f"--{name.replace('_', '-')}": v for name, v in vars(args).items() if name not in _LEFT
    }
    given["--set"] = " ".join(given.pop("--settings"))
    given |= {"--storage": site.storage, "--data-dir": site.data}
    for option, value in {**site.options, **{k: v for k, v in given.items() if v}}.items():
        if found := secret_parts(str(value)):
            yield _secret(option, found)


def _secret(option: str, found: Sequence[str]) -> str:
    what, cure = "credentials", "the nodes' role gives them theirs"
    if option == "--study":
        what, cure = "password", "give the head another way to it, such as ~/.pgpass"
    return (
        f"`{option}` must have no {what} with --cluster, since the job's command can be read "
        f"there, but has {', '.join(found)}; {cure}"
    )


def _checked(args: argparse.Namespace, site: Site) -> tuple[SweepPlan, str]:
    """The plan as it will be there, as far as this machine can know it, and its space's text.

    Raises:
        RaysearchError: Whatever would end the sweep at once.
    """
    at_hand = str(site.tree / site.data)
    here = argparse.Namespace(**{**vars(args), "storage": site.storage, "data_dir": at_hand})
    plan, path = plan_of(here)
    refuse_others(plan.folder, redacted(plan.root))
    if not Path(site.data).is_absolute():  # a folder of the nodes' cannot be looked into
        check_inputs(plan)
    space = path.read_text(encoding="utf-8")
    if found := secret_parts(space):
        raise ConfigError(_secret("--space", found))
    return plan, space


def _words(args: argparse.Namespace, site: Site, plan: SweepPlan) -> list[str]:
    """The command as the head is to run it: the user's words, with places as they are there."""
    ours = argparse.ArgumentParser(add_help=False)
    for name in ("--cluster", "--results", "--space", "--name", "--storage", "--data-dir"):
        ours.add_argument(name)
    ours.add_argument("--format")
    add_settings(ours)
    add_config(ours)
    _, (command, *rest) = ours.parse_known_args(args.words)
    defaults = [word for pair in site.options.items() for word in pair]
    settings = parse_settings(args.settings) | _folders(plan, site)
    return [
        command,
        *defaults,
        *rest,
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
        *("--name", plan.name, "--storage", site.storage, "--data-dir", site.data),
        *("--address", "auto", "--format", "json"),
    ]


def _folders(plan: SweepPlan, site: Site) -> dict[str, str]:
    """Settings that name folders of this machine, as the nodes find them.

    Raises:
        ConfigError: A folder does not go to the nodes.
    """
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


def _job(cluster: str, name: str, words: Sequence[str], space: str) -> str:
    """The job of this sweep; it is started if it does not run, and the cluster with it."""
    from raysearch.cluster.remote import jobs, launch

    busy = False
    try:
        with launch.connect(cluster) as client:
            if job := jobs.running_sweep(client, name, words, space):
                _say(f"{job} runs already, and is watched")
                return job
            busy = jobs.any_running(client)
    except launch.NoAnswerError:
        if launch.is_url(cluster):
            raise
    if busy:
        _say("another sweep runs there, so the nodes keep the working tree that it began with")
    elif not launch.is_url(cluster):
        _bring_up(cluster)
    with launch.connect(cluster) as client:
        # Asked again, since a head that did not answer may have been up all the time.
        job = jobs.running_sweep(client, name, words, space)
        job = job or jobs.submit(client, name, words, space)
    _say(f"{job} runs; Ctrl-C ends the watching, not the sweep")
    return job


def _bring_up(cluster: str) -> None:
    """Bring the cluster up, and say what is being waited for."""
    from raysearch.cluster.remote import launch

    began = time.monotonic()
    _say(f"bringing the cluster of {cluster} up; from nothing this takes some minutes")

    def tell(step: str) -> None:
        _say(f"{duration(time.monotonic() - began):>6} {step}")

    launch.bring_up(Path(cluster), tell)


def _say(text: str) -> None:
    """Progress goes to standard error: standard output is the sweep's."""
    sys.stderr.write(f"raysearch: {text}\n")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``attach`` and ``stop``."""
    attach = commands.add_parser(
        "attach",
        help="watch a sweep that runs on a cluster",
        description="Show how a sweep on a cluster stands and goes on, and keep its rows here. "
        "Ctrl-C ends the watching only.",
        epilog=examples("raysearch attach cluster.yaml"),
    )
    stop = commands.add_parser(
        "stop",
        help="end a sweep that runs on a cluster, or the cluster",
        description="End a sweep on a cluster; the same sweep goes on when it is started again.",
        epilog=examples(
            "raysearch stop cluster.yaml",
            "raysearch stop cluster.yaml --down   # its nodes, too",
        ),
    )
    for parser in (attach, stop):
        parser.add_argument(
            "cluster", metavar="FILE", help="for example cluster.yaml, or a head's dashboard's URL"
        )
        parser.add_argument("--job", metavar="ID", help="default: the sweep that began last")
    add_results(attach)
    stop.add_argument("--down", action="store_true", help="end all nodes too: nothing costs more")
    attach.set_defaults(run=run_attach)
    stop.set_defaults(run=run_stop)


def run_attach(args: argparse.Namespace) -> int:
    """Watch a job to its end."""
    from raysearch.cli.watch import watch
    from raysearch.cluster.remote import jobs, launch

    _known(args.cluster)
    job = args.job
    if job is None:
        with launch.connect(args.cluster) as client:
            job = jobs.latest_sweep(client)
        sys.stderr.write(f"raysearch: {job}\n")
    return watch(args.cluster, job, Path(args.results))


def run_stop(args: argparse.Namespace) -> int:
    """Stop a job and wait until it is over; then, if asked, the cluster."""
    from raysearch.cluster.remote import jobs, launch
    from raysearch.errors import ConfigError, RaysearchError

    _known(args.cluster)
    if args.down and launch.is_url(args.cluster):
        raise ConfigError("`--down` must go with a cluster file: Ray's launcher ends what it began")
    try:
        with launch.connect(args.cluster) as client:
            job = args.job or jobs.latest_sweep(client)
            stopped = jobs.stop(client, job)
        sys.stdout.write(f"{job} {'is stopped' if stopped else 'had ended before'}\n")
    except RaysearchError as error:
        if not args.down:
            raise
        sys.stderr.write(f"raysearch: {error}\n")  # the nodes cost, whatever the sweep does
    if args.down:
        launch.take_down(Path(args.cluster))
        sys.stdout.write(f"the cluster of {args.cluster} is down\n")
    return 0


def _known(cluster: str) -> None:
    """Whether a cluster can be meant at all.

    Raises:
        ConfigError: It is neither a file nor a URL.
    """
    from raysearch.cluster.remote.launch import is_url
    from raysearch.errors import ConfigError

    if not is_url(cluster) and not Path(cluster).is_file():
        raise ConfigError(
            f"FILE must be a cluster file or the URL of a head's dashboard, but got {cluster}; "
            "`raysearch sweep METHOD --cluster FILE` begins a sweep on one"
        )
