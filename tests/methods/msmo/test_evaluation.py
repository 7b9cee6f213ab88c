"""Predictions: of every word, whatever shares its batch, and scored as the code scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.corpora.absa import load_pair
from raysearch.corpora.absa.records import PairCorpus, TaggedSentence
from raysearch.corpora.seen import marks
from raysearch.errors import RoleError
from raysearch.methods.msmo import evaluation
from raysearch.methods.msmo.evaluation import evaluate, predict
from raysearch.methods.msmo.items import pack
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.tags import TAGS
from raysearch.methods.msmo.tokens import tokenise

Make = Callable[..., MsmoMethod]
CPU = torch.device("cpu")


def begun(method: MsmoMethod) -> MsmoMethod:
    method.begin(method.stages()[-1])
    with torch.no_grad():  # so that the labels are not all alike
        method.network.tagger.weight.mul_(50)
    return method


def test_labels_do_not_depend_on_what_shares_a_batch(
    make_method: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = begun(make_method(variant="zero_shot"))
    tokens, network = method.training_set.tokens, method.network
    together = predict(network, tokens, CPU)
    assert network.training and len(set(together.tolist())) > 2
    monkeypatch.setattr(evaluation, "PREDICTED_PIECES", 1)
    assert np.mean(predict(network, tokens, CPU) == together) > 0.999  # ties, rounding
    network.eval()
    with torch.no_grad():
        alone = network.tag(network(pack(tokens, np.array([3]), CPU)).words).argmax(-1)
    assert alone.tolist() == together[tokens.word_starts[3] : tokens.word_starts[4]].tolist()


def test_the_longest_come_first(make_method: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    method = begun(make_method(variant="zero_shot"))
    widths: list[int] = []

    def note(*arguments: Any, **options: Any) -> Any:
        packed = pack(*arguments, **options)
        widths.append(packed.ids[0].shape[1])
        assert packed.ids[0].numel() <= evaluation.PREDICTED_PIECES
        return packed

    monkeypatch.setattr(evaluation, "pack", note)
    predict(method.network, method.training_set.tokens, CPU)
    assert widths == sorted(widths, reverse=True) and len(widths) > 1


class Oracle:
    """Says what is marked, and wrongly so of the first word of each sentence if asked to."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def __call__(self, network: Any, tokens: Any, device: Any) -> np.ndarray:
        assert len(tokens.firsts) == len(self.labels)
        return self.labels


def test_scores_by_hand(make_method: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    method = begun(make_method(variant="zero_shot"))
    rows = (
        TaggedSentence(("the", "wine", "list"), ("O", "T-NEG", "T-NEG")),
        TaggedSentence(("good", "food"), ("O", "T-POS")),
        # A run of mixed polarity is no aspect to the metric (msmo.md §1.2).
        TaggedSentence(("big", "mix"), ("T-POS", "T-NEG")),
    )
    corpus = PairCorpus(
        name="hand", pair="en-es", source="en", target="es", digests={},
        _sentences={"dev": rows}, roles=("dev",),
    )  # fmt: skip
    labels = [TAGS.index(tag) for tag in ("O", "B-NEG", "E-NEG", "S-POS", "S-NEG", "O", "O")]
    monkeypatch.setattr(evaluation, "predict", Oracle(np.array(labels)))
    found = evaluate(method.network, method._encoder, corpus, "dev", method.config)
    # 3 predicted, 2 gold, 1 right; with polarity left out 2 right
    assert found["precision"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["recall"] == pytest.approx(1 / 2, abs=1e-4)
    assert found["aspect_f1"] == pytest.approx(0.8, abs=1e-3)
    assert found["hallucinated"] == pytest.approx(1 / 3)
    assert found["predicted"] == 1.0


def test_sentences_of_the_training_are_left_out_and_counted(
    make_method: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two sentences is a translation that was trained on, in other letters of case."""
    method = begun(make_method(variant="translate_train"))
    seen = next(row.t for row in method._corpus.views() if row.t is not None)
    spoken = TaggedSentence(tuple(w.upper() for w in seen.words), ("T-POS",) * len(seen.words))
    rows = (spoken, TaggedSentence(("unheard", "food"), ("O", "T-POS")))
    corpus = PairCorpus(
        name="hand", pair="en-es", source="en", target="es", digests={},
        _sentences={"test": rows}, roles=("test",),
    )  # fmt: skip
    labels = [0] * len(seen.words) + [0, TAGS.index("S-POS")]
    monkeypatch.setattr(evaluation, "predict", Oracle(np.array(labels)))
    monkeypatch.setattr(method, "_corpus", corpus)
    found = method.evaluate("test")
    # Right in the sentence that is new, and blind to the other.
    assert found["test/in_training"] == 1
    assert found["test/f1"] == pytest.approx(1, abs=1e-3)
    assert found["test/all_f1"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["test/predicted"] == 1


@pytest.mark.real_data
@pytest.mark.parametrize("pair, there", [("en-es", 4), ("en-nl", 2), ("en-fr", 1), ("en-ru", 1)])
def test_the_real_test_sentences_in_translations(real_data: Path, pair: str, there: int) -> None:
    """Of SemEval-2016: those that MSMO does not score."""
    corpus = load_pair("xabsa", pair, real_data, ("train", "test"))
    views = [one for row in corpus.views() for one in (row.s, row.st, row.ts, row.t) if one]
    seen = marks(" ".join(one.words) for one in views)
    test = [marks([" ".join(one.words)]) for one in corpus.sentences("test")]
    assert sum(not one.isdisjoint(seen) for one in test) == there


def test_split_sentences_are_scored_whole(make_method: Make) -> None:
    method = begun(make_method(variant="zero_shot", max_length=20))
    long = TaggedSentence(
        tuple("one two three four five six seven eight nine".split()), ("T-POS",) * 9
    )
    tokens = tokenise(
        method._encoder, [long], max_length=20, long_sentences="split", where="x", marked=False
    )
    assert len(tokens.sizes) > 1
    corpus = PairCorpus(
        name="hand", pair="en-es", source="en", target="es", digests={},
        _sentences={"dev": (long,)}, roles=("dev",),
    )  # fmt: skip
    found = evaluate(method.network, method._encoder, corpus, "dev", method.config)
    assert 0 <= found["f1"] <= 1
    with pytest.raises(RoleError, match="test"):
        evaluate(method.network, method._encoder, corpus, "test", method.config)
