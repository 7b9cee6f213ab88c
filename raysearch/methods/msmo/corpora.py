"""The language pairs that a trial of MSMO reads, with their roles, checked before anything trains.

Needs no torch, so that a sweep says what is missing before it starts Ray.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from raysearch.corpora import absa
from raysearch.corpora.absa import PairCorpus
from raysearch.errors import DataError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.stages import network_of, outline, spec_of
from raysearch.sources import remembered

__all__ = ["check", "digests", "load_pairs", "needed_views", "roles_of"]


def check(config: MsmoConfig, *, data_dir: str) -> None:
    """See `methods.base.MethodLoader.check`."""
    load_pairs(config, config.pairs, data_dir, roles_of(config))


def needed_views(config: MsmoConfig) -> tuple[str, ...]:
    """Views that any stage of a trial learns from, ``gold`` included, in a fixed order."""
    stages = outline(config)
    networks = dict.fromkeys(
        network_of(stage)
        for stage in stages
        if stage.name.startswith(("align-", "train-")) or stage.name == "student"
    )
    read = {view for network in networks for view in spec_of(config, network).views}
    return tuple(view for view in ("s", "st", "ts", "t", "gold") if view in read)


def roles_of(config: MsmoConfig) -> tuple[str, ...]:
    """Roles that training needs: ``train``, ``dev``, and what the variant asks for beside."""
    roles = ["train", "dev"]
    if config.distillation != "none":
        roles.append("unlabelled")
    if "gold" in needed_views(config):
        roles.append("target_train")
    return tuple(roles)


def load_pairs(
    config: MsmoConfig, pairs: Collection[str], data_dir: str, roles: Collection[str]
) -> dict[str, PairCorpus]:
    """Language pairs with the views that the trial learns from.

    Args:
        config: Corpus, variant, code-switched views.
        pairs: Which pairs.
        data_dir: Folder of the corpora.
        roles: Roles to be opened.

    Raises:
        DataError: A pair cannot be read, or lacks a view; all that do are named.
    """
    loaded, problems = {}, []
    needed = [view for view in needed_views(config) if view != "gold"]
    for pair in pairs:
        try:
            corpus = _pair(
                config.corpus,
                pair,
                data_dir,
                tuple(sorted(roles)),
                config.code_switch,
                config.switched,
                config.alignment_noise,
            )
        except DataError as error:
            problems.append(str(error))
            continue
        missing = [view for view in absa.missing_views(corpus) if view in needed]
        if missing:
            problems.append(
                f"`variant: {config.variant}` must have the views {', '.join(needed)} of {pair}, "
                f"but corpus {config.corpus} has no {', '.join(missing)}: "
                f"{'; '.join(corpus.notes) or 'no row has one'}; add the files, or take a "
                "variant without them"
            )
        loaded[pair] = corpus
    if problems:
        raise DataError("\n".join(problems))
    return loaded


def digests(config: MsmoConfig, corpora: Mapping[str, PairCorpus]) -> dict[str, tuple[str, ...]]:
    """Provenance entry to the digests of the data it stands for, of every pair in order.

    An entry whose data the variant does not read is empty, so that pairs that differ only in
    data that nobody reads share their stages.
    """
    read = {view: view for view in needed_views(config)} | {"dev": "dev"}
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
    code_switch: str,
    switched: str,
    alignment_noise: float,
) -> PairCorpus:
    """A pair is frozen, so all trials of a process share it while its files stay as they are."""
    return absa.load_pair(
        corpus,
        pair,
        data_dir,
        roles,
        code_switch=code_switch,
        switched=switched,
        alignment_noise=alignment_noise,
    )
