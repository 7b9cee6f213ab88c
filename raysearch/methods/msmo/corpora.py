"""Loads the language pairs of an MSMO trial and checks them before anything trains.

Does not need torch, so that a sweep reports missing data before it starts Ray.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raysearch.corpora import absa
from raysearch.corpora.absa import PairCorpus
from raysearch.errors import DataError, MissingDataError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.variants import networks_of, spec_of
from raysearch.sources import remembered

__all__ = ["check", "digests", "load_pairs", "needed_views", "roles_of"]


def check(config: MsmoConfig, *, data_dir: str) -> None:
    """See `methods.base.MethodLoader.check`."""
    load_pairs(config, config.pairs, data_dir, roles_of(config))


def needed_views(config: MsmoConfig) -> tuple[str, ...]:
    """Views that any stage of a trial learns from, including ``gold``, in a fixed order."""
    read = {view for name in networks_of(config) for view in spec_of(config, name).views}
    return tuple(view for view in ("s", "st", "ts", "t", "gold") if view in read)


def roles_of(config: MsmoConfig) -> tuple[str, ...]:
    """Roles that training needs: those of its views, of its selection, and of a student."""
    gold = "gold" in needed_views(config)
    roles = ["target_train" if gold else "train", config.selected_on]
    if config.distillation != "none":
        roles.append("unlabelled")
    return tuple(roles)


def load_pairs(
    config: MsmoConfig, pairs: Collection[str], data_dir: str, roles: Collection[str]
) -> dict[str, PairCorpus]:
    """Language pairs with the views that the trial learns from.

    Args:
        config: Corpus, variant, code-switched views.
        pairs: Which pairs.
        data_dir: Folder of the corpora.
        roles: Roles to open.

    Raises:
        DataError: Pairs cannot be read, or lack a view; the message lists all of them.
    """
    loaded = {}
    problems: list[DataError] = []
    needed = [view for view in needed_views(config) if view != "gold"]
    for pair in pairs:
        try:
            corpus = _pair(
                config.corpus,
                pair,
                data_dir,
                tuple(sorted(roles)),
                needed != ["s"],
                config.code_switch,
                config.switched,
                config.alignment_noise,
            )
        except DataError as error:
            problems.append(error)
            continue
        lacks = absa.missing_views(corpus) if needed else ()
        missing = [view for view in lacks if view in needed]
        if missing:
            text = (
                f"`variant: {config.variant}` must have the views {', '.join(needed)} of {pair}, "
                f"but corpus {config.corpus} has no {', '.join(missing)}: "
                f"{'; '.join(corpus.notes) or 'no row has one'}; add the files, or take a "
                "variant without them"
            )
            problems.append(DataError(text))
        loaded[pair] = corpus
    if problems:
        raise MissingDataError.joined(problems)
    return loaded


def digests(config: MsmoConfig, corpora: Mapping[str, PairCorpus]) -> dict[str, tuple[str, ...]]:
    """Provenance entry to the digests of its data, of every pair in order.

    An entry whose data the variant does not read is empty, so that pairs that differ only in
    unused data share their stages.
    """
    read = {view: view for view in needed_views(config)} | {"dev": config.selected_on}
    if "gold" in read:
        read["gold"] = "target_train"
    if config.distillation != "none":
        read["unlabelled"] = "unlabelled"
    return {
        f"{name}_digest": tuple(
            corpus.digests[read[name]] for corpus in corpora.values() if name in read
        )
        for name in ("s", "st", "ts", "t", "gold", "dev", "unlabelled")
    }


@remembered
def _pair(
    corpus: str,
    pair: str,
    data_dir: str,
    roles: tuple[str, ...],
    translated: bool,
    code_switch: str,
    switched: str,
    alignment_noise: float,
) -> PairCorpus:
    """A pair, cached while its files are unchanged; it is frozen, so all trials share it."""
    return absa.load_pair(
        corpus,
        pair,
        data_dir,
        roles,
        translated=translated,
        code_switch=code_switch,
        switched=switched,
        alignment_noise=alignment_noise,
    )
