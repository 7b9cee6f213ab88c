"""MR, SST-2, CR, SUBJ and MPQA: "label text" per line, label 0 or 1.

Encodings differ by file, whatever the collection's own description says: MR and SUBJ use the
bytes 0x85, 0x91, 0x96 and 0x97 as ellipsis, quote and dashes, which is Windows-1252 (in latin-1
they are control characters); SST-2 is UTF-8; CR and MPQA are plain ASCII. A few lines of CR and
MPQA have a label but no text: those of the pinned files are left out and counted, a blank text
anywhere else is an error.

SST-2 has an official split, as sentences only. The others have none: they are split 80/10/10 by
the hash of the text, instead of SentEval's ten folds, where one fixed test set is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from raysearch.corpora.records import Row, Rows
from raysearch.corpora.source import Source

__all__ = ["load"]


@dataclass(frozen=True)
class _Part:
    """One file: its role ("" when it is split by hash), encoding and known blank lines."""

    path: str
    role: str = ""
    encoding: str = "utf-8"
    blank: frozenset[int] = frozenset()


_PARTS: dict[str, tuple[_Part, ...]] = {
    "mr": (_Part("sentiment/rt-polarity.all", encoding="cp1252"),),
    "sst2": (
        _Part("sentiment/stsa.binary.train", "train"),
        _Part("sentiment/stsa.binary.dev", "dev"),
        _Part("sentiment/stsa.binary.test", "test"),
    ),
    "cr": (_Part("sentiment/custrev.all", blank=frozenset({769, 1368, 3691, 3775})),),
    "subj": (_Part("sentiment/subj.all", encoding="cp1252"),),
    "mpqa": (_Part("sentiment/mpqa.all", blank=frozenset({6415, 7294, 10606})),),
}


def load(source: Source) -> Rows:
    """Rows with label 0 or 1; the id is the role, if any, and the line.

    Raises:
        DataError: Everything that is wrong with the files, at once.
    """
    rows = []
    dropped: dict[str, int] = {}
    for part in _PARTS[source.info.name]:
        for line, content in enumerate(source.lines(part.path, part.encoding), start=1):
            label, _, text = content.partition(" ")
            if label not in ("0", "1"):
                rule = 'a line must be "0 text" or "1 text"'
                source.problem(part.path, line, rule, repr(content[:40]))
            elif line in part.blank and not text.strip():
                dropped["blank"] = dropped.get("blank", 0) + 1
            elif source.not_blank(part.path, line, text):
                rows.append(
                    Row(f"{part.role or 'line'}{line}", part.role, text.strip(), int(label))
                )
    source.finish()
    return Rows(rows, dropped)
