"""How is the answer of a study shown: on a terminal, as a page, and as one figure."""

from raysearch.render.experiment.figures import draw
from raysearch.render.experiment.page import Provenance, study_page
from raysearch.render.experiment.plot import svg
from raysearch.render.experiment.table import StudyBoard, answer_record
from raysearch.render.experiment.words import answer_sentences

__all__ = [
    "Provenance",
    "StudyBoard",
    "answer_record",
    "answer_sentences",
    "draw",
    "study_page",
    "svg",
]
