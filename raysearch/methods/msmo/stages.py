"""The stages of an MSMO trial, their dependencies, and the views that each reads.

One network is trained by one or two stages: ``align-X`` (critic against encoder; only with
``schedule: sequential`` and a critic), then ``train-X`` (labels and all other terms). X is
``main``, or ``t1`` to ``t3`` for the teachers of Distill-M. Their descendants are ``teach-X``
(probabilities of a teacher on unlabelled text), ``student`` (the student's start) and
``distill``. Independent stages have independent keys, so a student's start serves every teacher,
and a teacher every distillation setting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raysearch.config import settings_of
from raysearch.methods.msmo.config import MsmoConfig, Variant
from raysearch.methods.stage import Stage

__all__ = ["TEACHER_VIEWS", "Terms", "network_of", "outline", "spec_of", "terms_of"]

TEACHER_VIEWS = {"t1": ("s", "t"), "t2": ("t", "ts"), "t3": ("t", "st")}
"""Views of the three teachers of Distill-M, as in CL-XABSA (docs/msmo.md §2.6)."""

_RATES = ("learning_rate", "head_learning_rate")
"""Settings that an alignment does not depend on, since it has no labels."""


def spec_of(config: MsmoConfig, network: str) -> Variant:
    """Data and terms of a network (``main``, ``t1`` to ``t3``, ``student``).

    A teacher has the variant's terms, as far as its views allow: the critic needs both sides
    (``s`` or ``st`` against ``t`` or ``ts``; ``s`` against ``st`` if there is no target text),
    consistency one of `consistency_pairs`.
    """
    spec = config.variant_spec
    if network == "student":
        return Variant(views=("s", "t") if config.multilingual else ("t",))
    if network in TEACHER_VIEWS:
        spec = replace(spec, views=TEACHER_VIEWS[network])
    views = set(spec.views)
    sides = bool(views & {"s", "st"} and views & {"t", "ts"}) or views >= {"s", "st"}
    paired = any(set(pair.split("-")) <= views for pair in config.consistency_pairs)
    return replace(spec, critic=spec.critic and sides, consistent=spec.consistent and paired)


def network_of(stage: Stage) -> str:
    """The network of a stage; ``student`` and ``distill`` have the student."""
    return "student" if stage.name in ("student", "distill") else stage.name.partition("-")[2]


def outline(config: MsmoConfig) -> tuple[Stage, ...]:
    """The stages of a trial, parents before children; see `methods.base.MethodLoader.outline`."""
    if config.distillation == "none":
        return _network(config, "main", last=True)
    teachers = ("main",) if config.distillation == "single" else tuple(TEACHER_VIEWS)
    stages: list[Stage] = []
    for name in teachers:
        stages += _network(config, name, last=False)
        fields = ("corpus", "multilingual", "max_length", "long_sentences")
        stages.append(
            Stage(
                f"teach-{name}",
                fields,
                0,
                parents=(f"train-{name}",),
                data=("unlabelled_digest",),
                reports=False,
            )
        )
    starts: tuple[str, ...] = ()
    if config.student_start == "translated":
        data = _data(config, "student")
        stages.append(
            Stage(
                "student",
                settings_of(MsmoConfig, "", "student"),
                config.student_steps,
                parents=(),
                data=data,
                reports=False,
            )
        )
        starts = ("student",)
    stages.append(
        Stage(
            "distill",
            settings_of(MsmoConfig, "", "distill", "reports"),
            config.distill_steps,
            parents=(*starts, *(f"teach-{name}" for name in teachers)),
            data=("encoder_digest", "unlabelled_digest", "dev_digest"),
            shared=config.multilingual,
        )
    )
    return tuple(stages)


def _network(config: MsmoConfig, name: str, *, last: bool) -> tuple[Stage, ...]:
    """The stages that train one network; the last network of a trial reports."""
    spec, data = spec_of(config, name), _data(config, name)
    parts = {"", "views", "train", *spec.terms}
    if last:
        parts.add("reports")
    stages: list[Stage] = []
    if spec.critic and config.schedule == "sequential":
        parts.discard("critic")
        # The variant only determines the views here; they are in the data's digest.
        fields = settings_of(MsmoConfig, "", "views", "critic", "align")
        stages.append(
            Stage(
                f"align-{name}",
                tuple(field for field in fields if field not in _RATES),
                config.align_steps,
                parents=(),
                data=data,
                reports=False,
            )
        )
    stages.append(
        Stage(
            f"train-{name}",
            settings_of(MsmoConfig, *parts),
            config.steps,
            parents=tuple(stage.name for stage in stages),
            data=(*data, "dev_digest") if last else data,
            reports=last,
            shared=config.multilingual or spec.views == ("s",),
        )
    )
    return tuple(stages)


def _data(config: MsmoConfig, network: str) -> tuple[str, ...]:
    """Provenance entries of the data that a network's training reads."""
    views = spec_of(config, network).views
    return ("encoder_digest", *(f"{view}_digest" for view in views))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The inputs and terms of one step of a stage.

    Attributes:
        views: Views that are read.
        supervised: Whether the tagger learns from labels.
        supervised_weight: Weight of the cross-entropy.
        critic: Whether there is a critic.
        mixed: Whether the encoder's source side is the whole labelled batch.
        pairs: Pairs of views, such as ``s-t``, whose aspects are drawn together.
        contrast: ``""``, ``sentiment`` or ``token``.
        literal: Whether every term draws its own sentences.
    """

    views: tuple[str, ...]
    supervised: bool = True
    supervised_weight: float = 1.0
    critic: bool = False
    mixed: bool = False
    pairs: tuple[str, ...] = ()
    contrast: str = ""
    literal: bool = False

    @property
    def source(self) -> tuple[str, ...]:
        """Views of the critic's source side: D_S and D_ST, or D_S alone without a target."""
        return self._sides[0]

    @property
    def target(self) -> tuple[str, ...]:
        """Views of its target side: D_T and D_TS, or D_ST if there is no target text."""
        return self._sides[1]

    @property
    def _sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        target = tuple(view for view in self.views if view in ("t", "ts"))
        source = tuple(view for view in self.views if view in ("s", "st"))
        return (source, target) if target else (("s",), ("st",))


def terms_of(config: MsmoConfig, stage: Stage) -> Terms:
    """The terms of an ``align``, ``train`` or ``student`` stage."""
    network = network_of(stage)
    spec = spec_of(config, network)
    if network == "student":
        # A plain tagger: independent of the variant's settings, so that it serves them all.
        return Terms(views=spec.views, literal=True)
    literal = config.sampling == "literal"
    if stage.name.startswith("align-"):
        return Terms(views=spec.views, supervised=False, critic=True, literal=literal)
    critic = spec.critic and config.schedule == "interleaved"
    pairs = tuple(
        pair for pair in config.consistency_pairs if set(pair.split("-")) <= {*spec.views}
    )
    return Terms(
        views=spec.views,
        supervised_weight=config.supervised_weight,
        critic=critic,
        mixed=critic and config.adversarial_source == "mixed",
        pairs=pairs if spec.consistent else (),
        contrast=spec.contrast,
        literal=literal,
    )
