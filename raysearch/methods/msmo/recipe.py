"""What does a step of a stage read and compute: its views, its terms, its two sides.

The fields of a stage (`schedule`) say which settings its result may depend on; what a step
does is decided here, from no other settings than those.
"""

from __future__ import annotations

from dataclasses import dataclass

from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.schedule import network_of, recipe_of
from raysearch.methods.stage import Stage

__all__ = ["Terms", "terms_of"]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one step of a stage reads and computes.

    Attributes:
        views: Views that are read.
        supervised: Whether labels are learned.
        supervised_weight: Weight of the cross-entropy.
        critic: Whether critic and encoder play.
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
        """Views of its target side: D_T and D_TS, or D_ST where there is no target text."""
        return self._sides[1]

    @property
    def _sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        target = tuple(view for view in self.views if view in ("t", "ts"))
        source = tuple(view for view in self.views if view in ("s", "st"))
        return (source, target) if target else (("s",), ("st",))


def terms_of(config: MsmoConfig, stage: Stage) -> Terms:
    """What a step of an ``align``, ``train`` or ``student`` stage does."""
    network = network_of(stage)
    recipe = recipe_of(config, network)
    if network == "student":
        # A plain tagger: it shares no setting with the variant, so that it serves them all.
        return Terms(views=recipe.views, literal=True)
    literal = config.sampling == "literal"
    if stage.name.startswith("align-"):
        return Terms(views=recipe.views, supervised=False, critic=True, literal=literal)
    critic = recipe.critic and config.schedule == "interleaved"
    pairs = tuple(
        pair for pair in config.consistency_pairs if set(pair.split("-")) <= {*recipe.views}
    )
    return Terms(
        views=recipe.views,
        supervised_weight=config.supervised_weight,
        critic=critic,
        mixed=critic and config.adversarial_source == "mixed",
        pairs=pairs if recipe.consistent else (),
        contrast=recipe.contrast,
        literal=literal,
    )
