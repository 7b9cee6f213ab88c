"""LaTeX that compiles: every sign that is a command is escaped."""

import re

import pytest

from raysearch.render.table_export import code, escape, markdown_rows, prose, tabular


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("p < 0.05 and x <= 3, [0.1, 0.2] (n)", "p < 0.05 and x <= 3, [0.1, 0.2] (n)"),
        ("<img src=x onerror=y>", "&lt;img src=x onerror=y>"),
        ("<!-- a </b> <?php", "&lt;!-- a &lt;/b> &lt;?php"),
        ("![x](http://e.example/a.png)", r"![x]\(http://e.example/a.png)"),
        ("[x]: http://e.example", r"[x]\: http://e.example"),
        ("a\n# b\x1b\u202e", r"a # b\x1b\u202e"),
    ],
)
def test_text_begins_neither_html_nor_a_link(text: str, written: str) -> None:
    assert prose(text) == written


def test_code_ends_where_it_ends() -> None:
    assert code("results/a") == "`results/a`"
    assert code("a`<b>``c\x1b") == r"``` a`<b>``c\x1b ```"


def test_a_cell_is_one_line_of_text() -> None:
    row = ["a|b\n<i>", "[x](y)\x9b"]
    assert markdown_rows(["h", "k"], [row])[2] == r"| a\|b &lt;i> | [x]\(y)\\x9b |"
