"""Assembles sections into one HTML page that needs no network and runs only its own code.

Three barriers protect the reader's browser from a row's text: every text is escaped where it enters
the page; the figures are JSON in which no tag can end; and a content security policy allows only
the two scripts whose digests it names, and no requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from importlib import resources

from raysearch.printable import printable
from raysearch.render.report.figure import Block, Figure, Section, TableBlock
from raysearch.version import __version__

__all__ = ["SweepPart", "assemble"]


@dataclass(frozen=True, kw_only=True)
class SweepPart:
    """The part of the page on one sweep.

    Attributes:
        title: Its name.
        origin: A line on the origin of the numbers.
        sections: In order.
        problems: What could not be read, one sentence each.
    """

    title: str
    origin: str
    sections: Sequence[Section]
    problems: Sequence[str] = ()


def assemble(title: str, parts: Sequence[SweepPart]) -> str:
    """The whole page.

    Args:
        title: Of the page.
        parts: At least one; with one, the page's links lead to its sections, else to the sweeps.
    """
    figures: dict[str, object] = {}
    bodies = [_part(index, part, figures) for index, part in enumerate(parts)]
    links = (
        [(f"s0-{index}", section.name) for index, section in enumerate(parts[0].sections)]
        if len(parts) == 1
        else [(f"s{index}", part.title) for index, part in enumerate(parts)]
    )
    plotly = resources.files("plotly").joinpath("package_data/plotly.min.js").read_text("utf-8")
    own = resources.files(__package__).joinpath("page.js").read_text("utf-8")
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    scripts = [_inline(plotly), _inline(own)]
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    anchors = "".join(f'<a href="#{anchor}">{_text(name)}</a>' for anchor, name in links)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<link rel="icon" href="data:,">',
            f"<title>{_text(title)}</title><style>{style}</style></head><body>",
            f"<header><div><div><h1>{_text(title)}</h1>",
            f'<p class="soft">Made {made} by raysearch {_text(__version__)}.</p></div>',
            '<button id="theme" type="button">Dark page</button></div></header>',
            f"<nav><div>{anchors}</div></nav>",
            "<main>",
            "<noscript><p>The figures need JavaScript; tables and captions do not.</p></noscript>",
            *bodies,
            "</main><footer>Everything on this page was computed from the sweep's rows; it asks "
            "nothing of a network.</footer>",
            f'<script type="application/json" id="figures">{_json(figures)}</script>',
            f"<script>{scripts[0]}</script>",
            f"<script>{scripts[1]}</script>",
            "</body></html>\n",
        ]
    )


def _part(number: int, part: SweepPart, figures: dict[str, object]) -> str:
    """A sweep's heading, problems, and sections."""
    lines = [f'<section class="sweep" id="s{number}"><h2>{_text(part.title)}</h2>']
    lines.append(f'<p class="soft">{_text(part.origin)}</p>')
    lines += [f'<p class="problem">{_text(text)}</p>' for text in part.problems]
    findings = [line for section in part.sections for line in section.finding.splitlines()]
    if findings:
        items = "".join(f"<li>{_text(text)}</li>" for text in findings)
        lines.append(f'<ul class="findings">{items}</ul>')
    for index, section in enumerate(part.sections):
        name = f"s{number}-{index}"
        lines.append(f'<section id="{name}"><h2>{_text(section.name)}</h2>')
        for at, block in enumerate(section.blocks):
            lines.append(_block(f"{name}-{at}", block, figures))
        lines.append("</section>")
    lines.append("</section>")
    return "\n".join(lines)


def _block(name: str, block: Block, figures: dict[str, object]) -> str:
    if isinstance(block, Figure):
        figures[name] = {"height": block.height, "views": [asdict(view) for view in block.views]}
        return _figure(name, block)
    if isinstance(block, TableBlock):
        return _table(name, block)
    commands = "\n".join(block.commands)
    shown = f"<pre>{_text(commands)}</pre>" if commands else ""
    return (
        f'<div class="block"><h3>{_text(block.title)}</h3>'
        f'<p class="caption">{_text(block.text)}</p>{shown}</div>'
    )


def _figure(name: str, figure: Figure) -> str:
    choice = ""
    if len(figure.views) > 1:
        options = "".join(f"<option>{_text(view.name)}</option>" for view in figure.views)
        choice = (
            f'<label>{_text(figure.choose)} <select id="{name}-view">{options}</select></label>'
        )
    least = f"min-width:{figure.least_width}px;" if figure.least_width else ""
    return (
        f'<div class="block"><div class="head"><h3>{_text(figure.title)}</h3>{choice}</div>'
        f'<div class="scroll"><div class="plot" id="{name}" role="img" '
        f'aria-labelledby="{name}-caption" style="{least}height:{figure.height}px"></div></div>'
        f'<p class="caption" id="{name}-caption">{_text(figure.views[0].caption)}</p></div>'
    )


def _table(name: str, table: TableBlock) -> str:
    numeric = [
        all(isinstance(row[index], int | float) or _numeral(str(row[index])) for row in table.rows)
        for index in range(len(table.heads))
    ]
    kinds = [
        "number"
        if number
        else "text"
        if any(len(str(row[index])) > 30 for row in table.rows)
        else ""
        for index, number in enumerate(numeric)
    ]
    heads = "".join(
        f'<th class="{kind}"><button type="button">{_text(head)}</button></th>'
        for head, kind in zip(table.heads, kinds, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}">{_text(value)}</td>'
            for value, kind in zip(row, kinds, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    choice = (
        f'<label>filter <input type="search" data-filter="{name}" aria-label="filter rows"></label>'
        if table.search
        else ""
    )
    tall = " tall" if len(table.rows) > 20 else ""
    return (
        f'<div class="block"><div class="head"><h3>{_text(table.title)}</h3>{choice}</div>'
        f'<div class="scroll{tall}"><table class="sortable" id="{name}"><thead><tr>{heads}</tr>'
        f'</thead><tbody>{rows}</tbody></table></div><p class="caption">{_text(table.caption)}'
        "</p></div>"
    )


def _text(value: object) -> str:
    """External text, escaped for HTML."""
    return escape(printable(str(value)))


def _numeral(text: str) -> bool:
    return text in ("–", "") or text[0].isdigit() or (text[0] in "+-−" and text[1:2].isdigit())


def _json(value: object) -> str:
    """JSON in which no tag, comment or entity of HTML can begin."""
    text = json.dumps(_shown(value), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(value: object) -> object:
    """The value with all of its texts printable."""
    match value:
        case str():
            return printable(value)
        case dict():
            return {name: _shown(item) for name, item in value.items()}
        case list() | tuple():
            return [_shown(item) for item in value]
        case _:
            return value


def _inline(script: str) -> str:
    """The script escaped for HTML, with line ends as a browser counts them for the digest."""
    return script.replace("\r\n", "\n").replace("</script", "<\\/script")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
