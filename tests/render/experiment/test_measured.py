"""Sentences on curves and labels, from numbers worked by hand."""

from raysearch.analysis.answer import Course
from raysearch.analysis.statistics import MeanInterval
from raysearch.render.experiment.words import course_sentence, label_sentences


def course(low: float, high: float) -> Course:
    change = MeanInterval(mean=(low + high) / 2, low=low, high=high, level=0.95, count=5)
    return Course(metric="dev/x", steps=(12, 72), first=0.5, last=0.6, change=change)


def test_a_change_within_noise_is_none() -> None:
    sure = course_sentence(course(0.05, 0.15))
    assert sure.startswith("dev/x is 0.5000 at the first report (step 12) and 0.6000 at the last")
    assert sure.endswith("a change of +0.1000, +0.0500 to +0.1500.")
    assert course_sentence(course(-0.05, 0.25)).endswith(", which cannot be told from none.")


def test_labels_of_each_corpus_at_the_temperature() -> None:
    def record(
        geometry: str, scaling: str, temperature: float, entropy: float
    ) -> dict[str, object]:
        means = {f"{name}_mean": 0.5 for name in ("valence", "arousal", "pair")}
        sds = {f"{name}_sd": 0.1 for name in ("valence", "arousal", "pair")}
        kind = {"corpus": "emobank", "geometry": geometry, "scaling": scaling}
        return {**kind, **means, **sds, "temperature": temperature, "entropy": entropy}

    records = [
        record("cos_uncentred", "scale", 1.0, 1.0),
        record("cos_uncentred", "scale", 0.1, 0.997),
        record("cos_uncentred", "standardised", 0.1, 0.5),
        record("cos_centred", "scale", 0.1, 0.546),
    ]
    assert label_sentences(records) == [
        "Labels of emobank after min-max: valence 0.50 ± 0.10, arousal 0.50 ± 0.10. Cosines of "
        "random pairs are 0.50 ± 0.10, and the target at τ_y 0.1 has 0.997 of the entropy of a "
        "uniform one; around the middle of the scale 0.50 ± 0.10 and 0.546."
    ]
