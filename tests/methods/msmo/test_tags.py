"""Labels and their decoding: the spec's examples, an oracle on 10,000 sequences, round trips."""

import random

import pytest

from raysearch.corpora.absa.records import POLARITIES, Aspect, TaggedSentence
from raysearch.methods.msmo.tags import TAGS, bieos, decode


def sentence(tags: str) -> TaggedSentence:
    names = tuple("O" if tag == "O" else f"T-{tag}" for tag in tags.split())
    return TaggedSentence(words=("w",) * len(names), tags=names)


def labels(tags: str) -> list[int]:
    return [TAGS.index(tag) for tag in tags.split()]


def named(indices: tuple[int, ...]) -> str:
    return " ".join(TAGS[index] for index in indices)


def test_thirteen_labels_in_the_order_of_the_spec() -> None:
    assert ",".join(TAGS) == (
        "O,B-POS,I-POS,E-POS,S-POS,B-NEG,I-NEG,E-NEG,S-NEG,B-NEU,I-NEU,E-NEU,S-NEU"
    )


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("O", "O"),
        ("NEG", "S-NEG"),
        ("O POS POS O", "O B-POS E-POS O"),
        ("NEU NEU NEU NEU", "B-NEU I-NEU I-NEU E-NEU"),
        ("POS O NEG NEG", "S-POS O B-NEG E-NEG"),
        ("POS NEG", "B-POS E-NEG"),
        ("POS NEU NEG O", "B-POS I-NEU E-NEG O"),
    ],
)
def test_runs_become_labels(tags: str, wanted: str) -> None:
    assert named(bieos(sentence(tags))) == wanted


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("B-POS O E-POS", [(0, 2, "POS")]),
        ("S-POS E-POS", [(0, 0, "POS")]),
        ("B-POS S-NEG E-POS", [(1, 1, "NEG"), (0, 2, "POS")]),
        ("B-POS E-NEG", []),
        ("B-POS E-NEG E-POS", []),
        ("B-POS E-NEG S-NEU E-POS", [(2, 2, "NEU"), (0, 3, "POS")]),
        ("B-POS E-NEG B-POS E-POS", [(2, 3, "POS")]),
        ("I-NEG B-POS E-POS", [(1, 2, "POS")]),
        ("B-POS I-NEG E-POS", []),
        ("B-POS E-POS E-POS", [(0, 1, "POS")]),
        ("B-POS B-POS E-POS", [(1, 2, "POS")]),
        ("E-POS", []),
        ("", []),
    ],
)
def test_decoding_by_hand(tags: str, wanted: list[tuple[int, int, str]]) -> None:
    assert decode(labels(tags)) == [Aspect(*aspect) for aspect in wanted]


def oracle(tags: list[str]) -> list[Aspect]:
    """Asks of every pair of words, looking back over the whole prefix, whether it is an aspect.

    An E at `end` that opened at `begin` counts if no other B lies between (a later B would be
    the beginning), no E in between has closed it already, and the polarities after the last
    event that empties the memory (the B itself or an S) agree. Which E has closed is asked by
    recursion, not remembered.
    """

    def opened(end: int) -> int | None:
        """The last B before `end`, unless an E has closed it."""
        starts = [i for i in range(end) if tags[i][0] == "B"]
        if not starts:
            return None
        begin = starts[-1]
        closed = any(tags[i][0] == "E" and closes(i) for i in range(begin + 1, end))
        return None if closed else begin

    def closes(end: int) -> bool:
        begin = opened(end)
        if begin is None:
            return False
        singles = [i for i in range(begin + 1, end) if tags[i][0] == "S"]
        since = singles[-1] + 1 if singles else begin
        return len({tag[2:] for tag in tags[since : end + 1] if tag != "O"}) == 1

    found = []
    for end, tag in enumerate(tags):
        if tag[0] == "S":
            found.append(Aspect(end, end, tag[2:]))
        elif tag[0] == "E" and closes(end):
            begin = opened(end)
            assert begin is not None
            found.append(Aspect(begin, end, tag[2:]))
    return found


def literal(tags: list[str]) -> list[Aspect]:
    """The prose of docs/msmo.md §1.7, sentence by sentence."""
    found: list[Aspect] = []
    buffer: list[str] = []
    begin = -1
    for i, tag in enumerate(tags):
        if tag != "O":
            buffer.append(tag[2:])
        if tag.startswith("S-"):
            found.append(Aspect(i, i, tag[2:]))
            buffer.clear()
        if tag.startswith("B-"):
            begin = i
            if len(buffer) > 1:
                del buffer[:-1]
        if tag.startswith("E-") and i > begin > -1 and all(x == buffer[0] for x in buffer):
            found.append(Aspect(begin, i, tag[2:]))
            buffer.clear()
            begin = -1
    return found


def test_decoding_matches_two_oracles_on_10000_sequences() -> None:
    chance = random.Random(0)
    compared = several = 0
    for _ in range(10_000):
        length = chance.randint(1, 14)
        # Few polarities make agreement, and thereby long and nested aspects, likely.
        polarities = chance.sample(POLARITIES, chance.choice((1, 1, 2, 3)))
        known = [tag for tag in TAGS if tag == "O" or tag[2:] in polarities]
        tags = [chance.choice(known) for _ in range(length)]
        wanted = literal(tags)
        assert oracle(tags) == wanted, tags
        assert decode([TAGS.index(tag) for tag in tags]) == wanted, tags
        compared += len(wanted)
        several += sum(aspect.end > aspect.begin for aspect in wanted)
    assert compared > 20_000
    assert several > 3_000


def test_aspects_of_one_polarity_survive_the_round_trip() -> None:
    chance = random.Random(1)
    for _ in range(2_000):
        tags: list[str] = []
        for _ in range(chance.randint(1, 5)):
            tags += ["O"] * chance.randint(1, 3)
            tags += [f"T-{chance.choice(POLARITIES)}"] * chance.randint(0, 5)
        marked = TaggedSentence(words=("w",) * len(tags), tags=tuple(tags))
        assert decode(bieos(marked)) == list(marked.aspects)
