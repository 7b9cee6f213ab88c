import xml.etree.ElementTree as ET

import pytest

from raysearch.render.experiment.plot import panels, svg


@pytest.mark.filterwarnings("ignore:Glyph")  # it has none for these, and needs none
def test_names_in_a_figure_are_printable() -> None:
    figure, (axis,) = panels(1, 2.0)
    axis.set_title("arm \x1b[2J\u202e<b>")
    drawn = svg(figure)
    assert not {"\x1b", "\u202e"} & {*drawn}
    assert r"arm \x1b[2J\u202e<b>" in "".join(ET.fromstring(drawn).itertext())
