import pytest

from raysearch.render.table_export import code, markdown_rows, prose


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
