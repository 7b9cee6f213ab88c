"""How is the answer of a study shown: on a terminal, as a page, and as one figure."""

from raysearch.render.study.figures import draw
from raysearch.render.study.page import Provenance, study_page
from raysearch.render.study.plot import svg
from raysearch.render.study.record import answer_record
from raysearch.render.study.table import StudyBoard
from raysearch.render.study.words import answer_sentences

__all__ = [
    "Provenance",
    "StudyBoard",
    "answer_record",
    "answer_sentences",
    "draw",
    "study_page",
    "svg",
]
