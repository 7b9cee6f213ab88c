"""The settings of MSMO: what each means, and what paper and code say about it.

A setting's `part` says what depends on it: "" every network; ``views``, ``train``, ``labels``,
``align``, ``critic``, ``consistency`` and ``contrast`` the stages of a network that have it;
``joint`` those in which critic and labels share a step; ``reports`` the stage that reports;
``student`` and ``distill`` theirs.

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
from raysearch.methods.msmo.variants import (
    ALL_VIEWS,
    VARIANTS,
    combination_problems,
    networks_of,
    spec_of,
)
from raysearch.names import language_pair

__all__ = ["PAPER_BETA", "MsmoConfig", "tasks"]


PAPER_BETA: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "xlm-r": {"fr": 2.5e-3, "es": 1.5e-3, "nl": 1.5e-3, "ru": 3.5e-3},
        "mbert": {"fr": 4.5e-4, "es": 2.5e-4, "nl": 2.5e-4, "ru": 3.5e-4},
    }
)
"""β of the paper by backbone and target language (docs/msmo.md §2.2)."""


def backbone(encoder: str) -> str:
    """The paper's backbone whose values an encoder takes: mBERT by its name, else XLM-R."""
    return "mbert" if "bert-base-multilingual" in encoder else "xlm-r"


@dataclass(frozen=True, kw_only=True)
class MsmoConfig(TrainingConfig):
    """Settings of MSMO, of its baselines and of distillation."""

    ORACLE: ClassVar[str] = "target_dev"
    SCORED_ON: ClassVar[tuple[str, ...]] = ("corpus", "pairs")
    PAPER: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "schedule": "sequential",
            "sampling": "literal",
            "critic_clip": 0.01,
            "critic_steps": 5,
            "critic_training": "fixed",
            "critic_first_steps": 0,
            "critic_optimizer": "adam",
            "critic_learning_rate": 2e-5,
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
    """Rung of the ladder: MSMO, an ablation of it, or a baseline; see `variants.VARIANTS`."""
    label_views: tuple[str, ...] = setting(ALL_VIEWS, choices=ALL_VIEWS, part="labels")
    """Views whose labels the tagger learns; those that the variant lacks do not count."""
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
    critic_views: tuple[str, ...] = setting(ALL_VIEWS, choices=ALL_VIEWS, part="critic")
    """Views whose language the critic tells apart, s and st from t and ts; those that the variant
    lacks do not count. The paper's ablation of code-switched views leaves it s and t."""
    critic_clip: float = setting(0.01, low=0, low_open=True, high=10, part="critic")
    """c: every parameter of the critic stays in [-c, c]. Code: 0.01; paper silent."""
    critic_training: str = setting("converged", choices=("converged", "fixed"), part="critic")
    """When the critic is trained enough for the encoder to move: ``converged``, once its gap on
    held-out sentences no longer rises, and then only where it is above its standard error;
    or after a ``fixed`` number of updates, whatever the gap (code)."""
    critic_steps: int = setting(5, low=1, high=100, part="critic")
    """n_critic: critic updates before each encoder update (code); the least where converged."""
    critic_most_steps: int = setting(100, low=1, high=10000, part="critic")
    """Most critic updates before an encoder update where converged. WGAN takes 100 at first."""
    critic_first_steps: int = setting(100, low=0, high=10000, part="critic")
    """Least critic updates before the first encoder update of a stage. WGAN: 100."""
    critic_burst: bool = setting(False, part="critic")
    """Whether the first 26 steps and every 500th have twice as many critic updates (code), where
    their number is fixed."""
    critic_optimizer: str = setting("adam", choices=("adam", "rmsprop", "sgd"), part="critic")
    """Optimizer of the critic. Code: adam; WGAN: rmsprop, as momentum made its critic unstable."""
    critic_learning_rate: float = setting(1e-3, low=0, low_open=True, high=1, part="critic")
    """Peak rate of the critic's optimizer. Its weights begin within c and can move by about the
    rate in an update, so the rate counts relative to c. Code: the encoder's, with which it hardly
    moves."""
    critic_horizon: float = setting(1.0, low=0, high=1, part="critic")
    """Share of the steps over which the critic's rate falls to 0; 0 keeps it constant. Code:
    0.19, by oversight, after which the critic is frozen (docs/msmo.md §5.6)."""
    critic_layers: int = setting(1, low=1, high=4, part="critic")
    """Depth; 1 is linear (code), more have ReLU between layers."""
    critic_width: int = setting(128, low=1, part="critic")
    """Hidden width of a deeper critic."""
    adversarial_weight: float = setting(0.1, low=0, high=1000, part="joint")
    """λ of the encoder's term beside the labels. Code: 0.01; paper: 1, by gradient reversal, the
    same gradient. In a stage of its own (``sequential``) the term is the whole loss and its weight
    is 1: Adam would divide it out."""
    adversarial_source: str = setting("source", choices=("source", "mixed"), part="joint")
    """Source side of the encoder's term: source language sentences, or, as in the code, the
    whole labelled batch. ``mixed`` needs labels in the step: ``schedule: interleaved``."""

    # Consistency, supervision, contrast
    consistency_weight: float = setting(2.5e-3, low=0, high=1000, part="consistency")
    """β. Paper: by backbone and language, `PAPER_BETA`."""
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
    """Weight of the contrast of hidden states in the variants `contrast_sentiment` and
    `contrast_token`, which are ours; CL-XABSA's `cl_sentiment` and `cl_token` have fixed values."""
    contrastive_temperature: float = setting(0.07, low=1e-3, high=10, part="contrast")
    """Its temperature, likewise."""

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
    def paper(
        cls, task: str = "", setting: Mapping[str, Any] = MappingProxyType({})
    ) -> Mapping[str, Any]:
        """The paper's own values: β by backbone and target, over all pairs its mean.

        The critic's rate is that of the encoder.
        """
        betas = PAPER_BETA[backbone(setting.get("encoder", cls.encoder))]
        mean = round(sum(betas.values()) / len(betas), 9)
        return {
            **cls.PAPER,
            "consistency_weight": betas.get(task.partition("-")[2], mean),
            "critic_learning_rate": setting.get("learning_rate", cls.learning_rate),
        }

    @property
    def weights(self) -> tuple[float, ...]:
        """w_k of the teachers; equal unless `teacher_weights` is set."""
        if self.teacher_weights:
            return tuple(float(weight) for weight in self.teacher_weights)
        teachers = {"none": 0, "single": 1, "multi": 3}[self.distillation]
        return (1 / teachers,) * teachers if teachers else ()

    @property
    def selected_on(self) -> str:
        """See `TrainingConfig.selected_on`: the target's with its own labels, else the source's."""
        return "target_dev" if "gold" in VARIANTS[self.variant].views else "dev"

    @property
    def inert(self) -> frozenset[str]:
        """See `TrainingConfig.inert`."""
        terms = {term for name in networks_of(self) for term in spec_of(self, name).terms}
        parts = {"critic", "consistency", "contrast", "labels"} - terms
        if not ("critic" in terms and self.schedule == "sequential"):
            parts.add("align")
        if not ("critic" in terms and self.schedule == "interleaved"):
            parts.add("joint")
        if self.distillation == "none":
            parts |= {"distill", "student"}
        elif self.student_start == "pretrained":
            parts.add("student")
        unused = {"critic_most_steps" if self.critic_training == "fixed" else "critic_burst"}
        if self.critic_layers == 1:
            unused.add("critic_width")
        return super().inert | unused.union(settings_of(MsmoConfig, *parts))

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
        if self.critic_training == "converged" and self.critic_most_steps < self.critic_steps:
            found.append(
                f"`critic_most_steps` must be at least `critic_steps`, {self.critic_steps}, but "
                f"got {self.critic_most_steps}"
            )
        return found + combination_problems(self) + self._teacher_problems()

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
