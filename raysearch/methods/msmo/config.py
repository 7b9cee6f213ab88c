"""The settings of MSMO: what each means, and what paper and code say about it.

A setting's `part` says what depends on it: "" every network; ``views``, ``train``, ``align``,
``critic``, ``consistency`` and ``contrast`` the stages of a network that have it; ``reports`` the
stage that reports; ``student`` and ``distill`` theirs.

"Paper" and "code" are the ACL-2026 version and its published code as described in `docs/msmo.md`;
where they differ both are values, and the default is the one that works. The paper's own
values are `MsmoConfig.paper(pair)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from raysearch.config import TrainingConfig, setting, settings_of
from raysearch.names import language_pair

__all__ = ["PAPER_BETA", "VARIANTS", "MsmoConfig", "Variant", "tasks"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The data and terms of a rung of the ladder.

    Attributes:
        views: Views with labels to learn: of ``s``, ``st``, ``ts``, ``t``; ``gold`` means the
            target's own labelled sentences.
        critic: Whether there is a language critic.
        consistent: Whether the distributions of aligned aspects are drawn together.
        contrast: CL-XABSA's contrastive term: ``""``, ``sentiment`` or ``token``.
    """

    views: tuple[str, ...]
    critic: bool = False
    consistent: bool = False
    contrast: str = ""

    @property
    def terms(self) -> set[str]:
        """The terms beside the labels, by the parts of the settings."""
        has = {"critic": self.critic, "consistency": self.consistent, "contrast": self.contrast}
        return {name for name, there in has.items() if there}


ALL_VIEWS = ("s", "st", "ts", "t")
VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "supervised": Variant(views=("gold",)),
        "zero_shot": Variant(views=("s",)),
        "translate_train": Variant(views=("t",)),
        "bilingual": Variant(views=("s", "t")),
        "acs": Variant(views=ALL_VIEWS),
        "cl_sentiment": Variant(views=ALL_VIEWS, contrast="sentiment"),
        "cl_token": Variant(views=ALL_VIEWS, contrast="token"),
        "msmo": Variant(views=ALL_VIEWS, critic=True, consistent=True),
        "no_critic": Variant(views=ALL_VIEWS, consistent=True),
        "no_consistency": Variant(views=ALL_VIEWS, critic=True),
        "no_code_switch": Variant(views=("s", "t"), critic=True, consistent=True),
        "no_translation": Variant(views=("s", "st"), critic=True, consistent=True),
    }
)

PAPER_BETA: Mapping[str, float] = MappingProxyType(
    {"fr": 2.5e-3, "es": 1.5e-3, "nl": 1.5e-3, "ru": 3.5e-3}
)
"""β of the paper with XLM-R by target language; with mBERT it has 4.5, 2.5, 2.5, 3.5 · 10⁻⁴."""


@dataclass(frozen=True, kw_only=True)
class MsmoConfig(TrainingConfig):
    """Settings of MSMO, of its baselines and of distillation."""

    ORACLE: ClassVar[str] = "target_dev"
    SCORED_ON: ClassVar[tuple[str, ...]] = ("corpus", "pairs")
    PAPER: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "schedule": "sequential",
            "critic_clip": 0.01,
            "critic_steps": 5,
            "critic_layers": 1,
            "adversarial_weight": 1.0,
            "consistency_weight": 2.25e-3,
            "consistency_pairs": ("s-t", "s-st"),
            "supervised_weight": 1.0,
            "weight_decay": 0.0,
            "warmup_share": 0.0,
            "dropout": 0.1,
            "selection": "best",
            "selection_from": 0.75,
            "distill_loss": "mse",
            "distill_temperature": 1.0,
        }
    )

    # Changed defaults of the loop's settings
    encoder: str = setting("package:me5")
    batch_size: int = setting(16, low=2)
    weight_decay: float = setting(0.0, low=0)

    # What is trained, and on what
    variant: str = setting("msmo", choices=tuple(VARIANTS), part="train")
    """Rung of the ladder: MSMO, an ablation of it, or a baseline; see `VARIANTS`."""
    distillation: str = setting("none", choices=("none", "single", "multi"), part=None)
    """Whether a student then learns from the variant's own model (Distill-S), or from three
    teachers of the variant on s + t, t + ts and t + st (Distill-M), on unlabelled target text."""
    multilingual: bool = setting(False)
    """Whether one model is trained for all `pairs` together (MTL); each pair then tests it."""
    corpus: str = setting("sample_reviews")
    """Corpus with aligned views: ``sample_reviews``, ``xabsa``, or a folder of such files."""
    pairs: tuple[str, ...] = setting(("en-es", "en-fr", "en-nl", "en-ru"), part=None)
    """Language pairs, source first; each is a task with its own cells."""
    code_switch: str = setting("files", choices=("files", "built"), part="views")
    """Whether D_ST and D_TS are read, or built from source, translation and aspect alignment."""
    switched: str = setting("aspects", choices=("aspects", "random"), part="views")
    """Which words change their language: the aspect terms, or as many words outside of aspects;
    ``random`` needs ``code_switch: built``. Not in the paper."""
    alignment_noise: float = setting(0.0, low=0, high=1, part="views")
    """Share of aspects whose alignment is wrong; needs ``code_switch: built``. Not in the paper."""
    long_sentences: str = setting("split", choices=("split", "refuse"))
    """A sentence of more than `max_length` pieces is split between words outside of aspects, or
    refused; it is never cut."""
    sampling: str = setting("aligned", choices=("aligned", "literal"), part="views")
    """Whether a batch holds all views of its sentences, so that one forward serves every term,
    or every term draws its own, as in the code (docs/msmo.md §2.4, §4.3)."""

    # Steps
    schedule: str = setting("sequential", choices=("sequential", "interleaved"), part="train")
    """First critic against encoder, then labels and consistency (paper); or all in every step
    (code)."""
    steps: int = setting(400, low=1, part="train")
    """Steps with labels. Paper: 2000 of 16 sentences (mBERT), 2500 of 8 (XLM-R)."""
    align_steps: int = setting(100, low=1, part="align")
    """Steps of the first stage of ``sequential``. Paper silent."""
    align_learning_rate: float = setting(2e-5, low=0, low_open=True, high=1, part="align")
    """Peak rate of the encoder there, where nothing but the critic holds it. Paper silent."""
    student_steps: int = setting(200, low=1, part="student")
    """Steps that initialise the student on translations. Paper silent."""
    distill_steps: int = setting(200, low=1, part="distill")
    """Steps of distillation. XABSA: 1000."""
    selection: str = setting("best", choices=("best", "last"), part="reports")
    """Whether the checkpoint with the best source dev F1 among the reports counts, or the last."""
    selection_from: float = setting(0.5, low=0, high=1, part="reports")
    """Share of the steps after which a checkpoint may be selected. Code: 0.75 and 0.8."""
    dropout: float = setting(0.1, low=0, high=0.9)
    """Dropout before tagger and critic (code)."""

    # Language critic
    critic_clip: float = setting(0.01, low=0, low_open=True, high=10, part="critic")
    """c: every parameter of the critic stays in [-c, c]. Code: 0.01; paper silent."""
    critic_steps: int = setting(5, low=1, high=100, part="critic")
    """n_critic: critic updates before each encoder update (code)."""
    critic_burst: bool = setting(False, part="critic")
    """Whether the first 26 steps and every 500th have twice as many critic updates (code)."""
    critic_learning_rate: float = setting(1e-3, low=0, low_open=True, high=1, part="critic")
    """Peak rate of the critic's Adam. Code: that of the encoder, with which it hardly moves."""
    critic_horizon: float = setting(1.0, low=0, high=1, part="critic")
    """Share of the steps over which the critic's rate falls to 0; 0 keeps it constant. Code:
    0.19, by oversight, after which the critic is frozen (docs/msmo.md §5.6)."""
    critic_layers: int = setting(1, low=1, high=4, part="critic")
    """Depth; 1 is linear (code), more have ReLU between layers."""
    critic_width: int = setting(128, low=1, part="critic")
    """Hidden width of a deeper critic."""
    adversarial_weight: float = setting(0.1, low=0, high=1000, part="critic")
    """λ of the encoder's term. Code: 0.01; paper: 1, by gradient reversal, the same gradient."""
    adversarial_source: str = setting("source", choices=("source", "mixed"), part="critic")
    """Source side of the encoder's term: source language sentences, or, as in the code, the
    whole labelled batch. ``mixed`` needs labels in the step: ``schedule: interleaved``."""

    # Consistency, supervision, contrast
    consistency_weight: float = setting(2.5e-3, low=0, high=1000, part="consistency")
    """β. Paper: by language, `PAPER_BETA`."""
    consistency_pairs: tuple[str, ...] = setting(
        ("s-t", "s-st", "t-ts"),
        choices=("s-t", "s-st", "s-ts", "st-t", "st-ts", "t-ts"),
        part="consistency",
    )
    """Views whose k-th aspects are drawn together; those that the variant lacks do not count.
    Paper: a sentence and its translation or aspect swap."""
    supervised_weight: float = setting(1.0, low=0, low_open=True, high=100, part="train")
    """Weight of the cross-entropy. Paper: 1; the code counts it twice, by oversight: 2."""
    contrastive_weight: float = setting(0.1, low=0, high=100, part="contrast")
    """Weight of CL-XABSA's contrastive term, in its variants."""
    contrastive_temperature: float = setting(0.07, low=1e-3, high=10, part="contrast")
    """Its temperature. CL-XABSA: 0.07 by default, 0.9 where it is called."""

    # Distillation
    distill_temperature: float = setting(1.0, low=0, low_open=True, high=100, part="distill")
    """Temperature of teachers and student. Code: 1."""
    distill_loss: str = setting("mse", choices=("mse", "kl"), part="distill")
    """Distance of the student's probabilities from the teachers' mean. Code: mse."""
    distill_learning_rate: float = setting(2e-5, low=0, low_open=True, high=1, part="distill")
    """Peak rate of the student's encoder. Paper silent."""
    teacher_weights: tuple[str, ...] = setting((), part="distill")
    """Weights w_k of the teachers, numbers that sum to 1; empty weighs them alike (code)."""
    student_start: str = setting("translated", choices=("translated", "pretrained"), part="distill")
    """Whether the student starts from a tagger trained on translations, or from the encoder."""

    # Guards
    guards: str = setting("stop", choices=("stop", "report"), part="reports")
    """Whether a failure signature ends the trial, or is only reported under ``health/``."""

    @classmethod
    def paper(cls, task: str = "") -> Mapping[str, Any]:
        """The paper's own values, β by target language; over all pairs its mean."""
        beta = PAPER_BETA.get(task.partition("-")[2], cls.PAPER["consistency_weight"])
        return {**cls.PAPER, "consistency_weight": beta}

    @property
    def variant_spec(self) -> Variant:
        """The data and terms of the variant."""
        return VARIANTS[self.variant]

    @property
    def weights(self) -> tuple[float, ...]:
        """w_k of the teachers; equal unless `teacher_weights` is set."""
        if self.teacher_weights:
            return tuple(float(weight) for weight in self.teacher_weights)
        teachers = {"none": 0, "single": 1, "multi": 3}[self.distillation]
        return (1 / teachers,) * teachers if teachers else ()

    @property
    def inert(self) -> frozenset[str]:
        """See `TrainingConfig.inert`."""
        parts = {"critic", "consistency", "contrast"} - self.variant_spec.terms
        if not (self.variant_spec.critic and self.schedule == "sequential"):
            parts.add("align")
        if self.distillation == "none":
            parts |= {"distill", "student"}
        elif self.student_start == "pretrained":
            parts.add("student")
        width = {"critic_width"} if self.critic_layers == 1 else set()
        return super().inert | width.union(settings_of(MsmoConfig, *parts))

    def problems(self) -> list[str]:
        """Sentences on invalid combinations of fields; empty when there are none."""
        found = []
        if not self.pairs:
            found.append("`pairs` must name at least one language pair, but it is empty")
        for pair in self.pairs:
            if language_pair(pair) is None:
                found.append(
                    f"`pairs` must be like en-es or en-pt_BR, two languages, but got {pair!r}"
                )
        if len({pair.partition("-")[0] for pair in self.pairs}) > 1 and self.multilingual:
            found.append("`pairs` must have one source language where `multilingual` is true")
        if self.switched != "aspects" and self.code_switch != "built":
            found.append("`switched` must be aspects unless `code_switch` is built")
        if self.alignment_noise and self.code_switch != "built":
            found.append("`alignment_noise` must be 0 unless `code_switch` is built")
        if self.adversarial_source == "mixed" and self.schedule != "interleaved":
            found.append("`adversarial_source: mixed` must have `schedule: interleaved`")
        if self.variant_spec.consistent and not self.consistency_pairs:
            found.append(
                "`consistency_pairs` must name at least one pair of views, but it is empty; the "
                "variant without the term is `no_consistency`"
            )
        return found + self._teacher_problems()

    def _teacher_problems(self) -> list[str]:
        if not self.teacher_weights:
            return []
        wanted = {"none": 0, "single": 1, "multi": 3}[self.distillation]
        try:
            numbers = [float(weight) for weight in self.teacher_weights]
        except ValueError:
            return [f"`teacher_weights` must be numbers, but got {'+'.join(self.teacher_weights)}"]
        if len(numbers) != wanted or min(numbers) < 0 or abs(sum(numbers) - 1) > 1e-6:
            return [
                f"`teacher_weights` must be {wanted} numbers >= 0 that sum to 1 for "
                f"`distillation: {self.distillation}`, but got {'+'.join(self.teacher_weights)}"
            ]
        return []


def tasks(config: MsmoConfig) -> tuple[str, ...]:
    """One task per language pair."""
    return config.pairs
