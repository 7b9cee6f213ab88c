"""The rungs of the ladder, and what each network of a trial reads and learns.

A trial trains the network ``main``, or the teachers ``t1`` to ``t3`` of Distill-M, and with
distillation a ``student``. `spec_of` says which views each of them reads for its labels, its
critic and its consistency; `combination_problems` which settings contradict a variant's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

__all__ = [
    "ALL_VIEWS",
    "Choices",
    "TEACHER_VIEWS",
    "VARIANTS",
    "NetworkSpec",
    "Variant",
    "combination_problems",
    "critic_sides",
    "networks_of",
    "spec_of",
]

ALL_VIEWS = ("s", "st", "ts", "t")

TEACHER_VIEWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"t1": ("s", "t"), "t2": ("t", "ts"), "t3": ("t", "st")}
)
"""Views of the three teachers of Distill-M, as in CL-XABSA (docs/msmo.md §2.6)."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The data and terms of a rung of the ladder.

    Attributes:
        views: Views that may be read: of ``s``, ``st``, ``ts``, ``t``; ``gold`` means the
            target's own labelled sentences.
        critic: Whether there is a language critic.
        consistent: Whether the distributions of aligned aspects are drawn together.
        contrast: The contrastive term: ``""``; ``cl_sentiment`` or ``cl_token``, those of CL-XABSA
            as published; or ``sentiment`` or ``token``, ours.
    """

    views: tuple[str, ...]
    critic: bool = False
    consistent: bool = False
    contrast: str = ""


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "supervised": Variant(views=("gold",)),
        "zero_shot": Variant(views=("s",)),
        "translate_train": Variant(views=("t",)),
        "bilingual": Variant(views=("s", "t")),
        "acs": Variant(views=ALL_VIEWS),
        "cl_sentiment": Variant(views=ALL_VIEWS, contrast="cl_sentiment"),
        "cl_token": Variant(views=ALL_VIEWS, contrast="cl_token"),
        "contrast_sentiment": Variant(views=ALL_VIEWS, contrast="sentiment"),
        "contrast_token": Variant(views=ALL_VIEWS, contrast="token"),
        "msmo": Variant(views=ALL_VIEWS, critic=True, consistent=True),
        "no_critic": Variant(views=ALL_VIEWS, consistent=True),
        "no_consistency": Variant(views=ALL_VIEWS, critic=True),
        "no_code_switch": Variant(views=("s", "t"), critic=True, consistent=True),
        "no_translation": Variant(views=("s", "st"), critic=True, consistent=True),
    }
)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """What one network reads and learns.

    Attributes:
        labelled: Views whose labels its tagger learns.
        critic: Views whose language its critic tells apart; empty without a critic.
        pairs: Pairs of views, such as ``s-t``, whose aspects are drawn together.
        contrast: As in `Variant`.
    """

    labelled: tuple[str, ...]
    critic: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    contrast: str = ""

    @property
    def views(self) -> tuple[str, ...]:
        """Every view that any of its stages reads."""
        return self.training(played=True)

    def training(self, *, played: bool) -> tuple[str, ...]:
        """Views that a step with labels reads.

        Args:
            played: Whether the critic plays in these steps, too.
        """
        paired = (view for pair in self.pairs for view in pair.split("-"))
        read = {*self.labelled, *paired, *(self.critic if played else ())}
        return tuple(view for view in (*ALL_VIEWS, "gold") if view in read)

    @property
    def terms(self) -> set[str]:
        """What its settings are for, by their parts: terms, and the labels of views."""
        has = {
            "critic": self.critic,
            "consistency": self.pairs,
            # That of CL-XABSA has fixed values.
            "contrast": self.contrast and not self.contrast.startswith("cl_"),
            "labels": self.labelled != ("gold",),
        }
        return {name for name, there in has.items() if there}


class Choices(Protocol):
    """The settings that decide it; their meaning is in `config.MsmoConfig`, which has them."""

    @property
    def variant(self) -> str:
        """A name in `VARIANTS`."""

    @property
    def distillation(self) -> str:
        """``none``, ``single`` or ``multi``."""

    @property
    def multilingual(self) -> bool:
        """One model for all pairs."""

    @property
    def student_start(self) -> str:
        """``translated`` or ``pretrained``."""

    @property
    def label_views(self) -> tuple[str, ...]:
        """Of the tagger's loss."""

    @property
    def critic_views(self) -> tuple[str, ...]:
        """Whose language is told apart."""

    @property
    def consistency_pairs(self) -> tuple[str, ...]:
        """Such as ``s-t``."""

    @property
    def schedule(self) -> str:
        """``sequential`` or ``interleaved``."""

    @property
    def sampling(self) -> str:
        """``aligned`` or ``literal``."""

    @property
    def batch_size(self) -> int:
        """Sentences of a step."""


def critic_sides(views: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The critic's source side and its target side among some views.

    D_S and D_ST against D_T and D_TS; D_S against D_ST where there is no target text.

    Returns:
        Two empty tuples if one of the sides would be.
    """
    there = {*views}
    source = tuple(view for view in ("s", "st") if view in there)
    target = tuple(view for view in ("ts", "t") if view in there)
    if source and target:
        return source, target
    return (("s",), ("st",)) if {*source} == {"s", "st"} else ((), ())


def networks_of(config: Choices) -> tuple[str, ...]:
    """The networks that a trial trains."""
    taught = config.distillation == "multi"
    starts = config.distillation != "none" and config.student_start == "translated"
    return (*(TEACHER_VIEWS if taught else ("main",)), *(("student",) if starts else ()))


def spec_of(config: Choices, network: str) -> NetworkSpec:
    """What a network (``main``, ``t1`` to ``t3``, ``student``) reads and learns.

    A teacher has the variant's terms as far as its two views allow.
    """
    variant = VARIANTS[config.variant]
    if network == "student":
        start = ("s", "t") if config.multilingual else ("t",)
        return NetworkSpec(labelled=tuple(view for view in start if view in variant.views))
    there = TEACHER_VIEWS.get(network, variant.views)
    if "gold" in there:
        return NetworkSpec(labelled=there, contrast=variant.contrast)
    shown = [view for view in there if view in config.critic_views]
    sides = critic_sides(shown) if variant.critic else ((), ())
    pairs = [pair for pair in config.consistency_pairs if {*pair.split("-")} <= {*there}]
    return NetworkSpec(
        labelled=tuple(view for view in there if view in config.label_views),
        critic=tuple(view for view in there if view in {*sides[0], *sides[1]}),
        pairs=tuple(pairs) if variant.consistent else (),
        contrast=variant.contrast,
    )


def combination_problems(config: Choices) -> list[str]:
    """Sentences on settings under which a trial would not be what its variant says."""
    variant, found = VARIANTS[config.variant], _student_problems(config)
    if config.multilingual and "gold" in variant.views:
        found.append(
            "`multilingual` must be false with `variant: supervised`, which learns and is "
            "selected on the labels of one target"
        )
    if found:
        return found
    main = spec_of(config, "main")
    if variant.critic and not main.critic:
        found.append(
            f"`critic_views` must have a view of either side, s or st and t or ts (or s and st "
            f"without translations), of the views {', '.join(variant.views)} of `variant: "
            f"{config.variant}`, but got {'+'.join(config.critic_views) or 'none'}; the variant "
            "without the critic is `no_critic`"
        )
    if variant.consistent and not main.pairs:
        found.append(
            f"`consistency_pairs` must name a pair of the views {', '.join(variant.views)} of "
            f"`variant: {config.variant}`, but got {'+'.join(config.consistency_pairs) or 'none'}; "
            "the variant without the term is `no_consistency`"
        )
    for name in networks_of(config):
        if not spec_of(config, name).labelled:
            views = TEACHER_VIEWS.get(name, variant.views)
            found.append(
                f"`label_views` must name one of the views {', '.join(views)} that network {name} "
                f"of `variant: {config.variant}` reads, but got "
                f"{'+'.join(config.label_views) or 'none'}"
            )
    return found or _batch_problems(config)


def _student_problems(config: Choices) -> list[str]:
    """On students of a variant that has not the views for their teachers or their start."""
    views, kind = VARIANTS[config.variant].views, config.distillation
    if kind == "none":
        return []
    what = f"`variant: {config.variant}`, which reads {', '.join(views)}"
    if "gold" in views:
        return [
            "`distillation` must be none with `variant: supervised`: a student learns from text "
            "without labels, and this variant has the labels of the same sentences"
        ]
    if kind == "multi" and {*views} != {*ALL_VIEWS}:
        return [
            "`distillation: multi` must have a variant of all four views, as its teachers read "
            f"s + t, t + ts and t + st, but got {what}; take `distillation: single`"
        ]
    if config.student_start == "translated" and "t" not in views:
        return [
            f"`student_start: translated` must have a variant that reads translations (t), but "
            f"got {what}; take `student_start: pretrained`"
        ]
    return []


def _batch_problems(config: Choices) -> list[str]:
    """On batches that do not hold each of their sentences in all of its views."""
    if config.sampling != "aligned":
        return []
    read: dict[tuple[str, ...], str] = {}
    for name in networks_of(config):
        spec = spec_of(config, name)
        if name == "student":
            continue  # its steps draw sentence by sentence
        apart = config.schedule == "sequential"
        if spec.critic and apart:
            read.setdefault(spec.critic, f"align-{name}")
        read.setdefault(spec.training(played=not apart), f"train-{name}")
    return [
        f"`batch_size` must be a multiple of {len(views)} where `sampling` is aligned, as stage "
        f"{stage} reads each sentence in the views {', '.join(views)}, but got "
        f"{config.batch_size}; take a multiple, or `sampling: literal`"
        for views, stage in read.items()
        if config.batch_size % len(views)
    ]
