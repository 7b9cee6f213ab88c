"""The stages of an MSMO trial, their dependencies, and the views that each reads.

One network is trained by one or two stages: ``align-X`` (critic against encoder; only with
``schedule: sequential`` and a critic), then ``train-X`` (labels and all other terms). X is
``main``, or ``t1`` to ``t3`` for the teachers of Distill-M. Their descendants are ``teach-X``
(probabilities of a teacher on unlabelled text), ``student`` (the student's start) and
``distill``. Independent stages have independent keys, so a student's start serves every teacher,
and a teacher every distillation setting.
"""

from __future__ import annotations

from dataclasses import dataclass

from raysearch.config import settings_of
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.variants import TEACHER_VIEWS, critic_sides, spec_of
from raysearch.methods.stage import Stage

__all__ = ["Terms", "network_of", "outline", "terms_of"]

_RATES = ("learning_rate", "head_learning_rate")
"""Settings that an alignment does not depend on, since it has no labels."""


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
        data = _data(spec_of(config, "student").views)
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
    """The stages that train one network; the last network of a trial reports.

    A teacher's result is selected as a trial's is, so that Distill-S takes over the stage of the
    trial without distillation.
    """
    spec = spec_of(config, name)
    parts = {"", "views", "train", "reports", *spec.terms}
    if spec.critic and config.schedule == "interleaved":
        parts.add("joint")
    stages: list[Stage] = []
    if spec.critic and config.schedule == "sequential":
        parts.discard("critic")  # λ is of no stage then: the alignment's loss is its term alone
        # The variant only determines the views here, and they are in the data's digest.
        fields = settings_of(MsmoConfig, "", "views", "critic", "align")
        stages.append(
            Stage(
                f"align-{name}",
                tuple(field for field in fields if field not in _RATES),
                config.align_steps,
                parents=(),
                data=_data(spec.critic),
                reports=False,
            )
        )
    data = _data(spec.training(played=config.schedule == "interleaved"))
    stages.append(
        Stage(
            f"train-{name}",
            settings_of(MsmoConfig, *parts),
            config.steps,
            parents=tuple(stage.name for stage in stages),
            data=(*data, "dev_digest"),
            reports=last,
            selects=not last,
            # One that reads the source alone serves every pair, others a student.
            shared="gold" not in spec.labelled,
        )
    )
    return tuple(stages)


def _data(views: tuple[str, ...]) -> tuple[str, ...]:
    """Provenance entries of the data that reading some views depends on."""
    return ("encoder_digest", *(f"{view}_digest" for view in views))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The inputs and terms of one step of a stage.

    Attributes:
        views: Views that are read.
        labelled: Those whose labels the tagger learns; empty in an alignment.
        supervised_weight: Weight of the cross-entropy.
        played: Views that the critic tells apart; empty without a critic.
        mixed: Whether the encoder's source side is the whole labelled batch.
        pairs: Pairs of views, such as ``s-t``, whose aspects are drawn together.
        contrast: See `variants.Variant`.
        literal: Whether every term draws its own sentences.
    """

    views: tuple[str, ...]
    labelled: tuple[str, ...] = ()
    supervised_weight: float = 1.0
    played: tuple[str, ...] = ()
    mixed: bool = False
    pairs: tuple[str, ...] = ()
    contrast: str = ""
    literal: bool = False

    @property
    def supervised(self) -> bool:
        """Whether the tagger learns from labels."""
        return bool(self.labelled)

    @property
    def critic(self) -> bool:
        """Whether there is a critic."""
        return bool(self.played)

    @property
    def source(self) -> tuple[str, ...]:
        """Views of the critic's source side; see `variants.critic_sides`."""
        return critic_sides(self.played)[0]

    @property
    def target(self) -> tuple[str, ...]:
        """Views of its target side."""
        return critic_sides(self.played)[1]


def terms_of(config: MsmoConfig, stage: Stage) -> Terms:
    """The terms of an ``align``, ``train`` or ``student`` stage."""
    network = network_of(stage)
    spec = spec_of(config, network)
    if network == "student":
        # A plain tagger: independent of the variant's settings, so that it serves them all.
        return Terms(views=spec.views, labelled=spec.labelled, literal=True)
    literal = config.sampling == "literal"
    if stage.name.startswith("align-"):
        return Terms(views=spec.critic, played=spec.critic, literal=literal)
    interleaved = config.schedule == "interleaved"
    played = spec.critic if interleaved else ()
    return Terms(
        views=spec.training(played=interleaved),
        labelled=spec.labelled,
        supervised_weight=config.supervised_weight,
        played=played,
        mixed=bool(played) and config.adversarial_source == "mixed",
        pairs=spec.pairs,
        contrast=spec.contrast,
        literal=literal,
    )
