"""LaTeX that compiles: every sign that is a command is escaped."""

import re

from raysearch.render.table_export import escape, tabular


def test_signs_of_settings_and_metrics() -> None:
    assert escape("dev/va_pearson") == r"dev/va\_pearson"
    assert escape("5 % & #1 {x} $y$ ~ ^") == (
        r"5 \% \& \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{}"
    )
    assert escape("a\\b") == r"a\textbackslash{}b"
    assert escape("0.61 ± 0.02\nε") == r"0.61 $\pm$ 0.02 $\varepsilon$"


def test_a_table_has_as_many_cells_as_columns() -> None:
    text = tabular(["pair", "f1_a"], [["en-es", "-0.5"], ["a&b", "2e-05"]], rules_before=(1,))
    assert text.startswith("\\begin{tabular}{lr}\n\\hline\npair & f1\\_a \\\\\n\\hline\n")
    assert "en-es & $-$0.5 \\\\\n\\hline\na\\&b & 2e-05 \\\\" in text
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == 1
