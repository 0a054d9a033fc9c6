"""HTML by construction: text is escaped unless it is `Html` already, so that no statement can break the page."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

_VOID = frozenset({"meta", "br", "col", "hr"})


class Html(str):
    """Markup that needs no escaping."""

    __slots__ = ()


def escaped(child: Any) -> Html:
    """Anything as markup: `Html` as it stands, None as nothing, everything else as text.

    >>> escaped("E q < 1 & q > 0")
    'E q &lt; 1 &amp; q &gt; 0'
    """
    if child is None:
        return Html("")
    return child if isinstance(child, Html) else Html(html.escape(str(child), quote=False))


def element(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element; an attribute that is None is left out, one that is True has no value, `class_` is `class`.

    >>> element("td", "a < b", class_="number", colspan=2)
    '<td class="number" colspan="2">a &lt; b</td>'
    """
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(opened if name in _VOID else f"{opened}{joined(children)}</{name}>")


def joined(children: Iterable[Any], separator: str = "") -> Html:
    """The children one after another."""
    return Html(separator.join(escaped(child) for child in children))


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'


def table(
    caption: str,
    headings: Iterable[Any],
    rows: Iterable[Iterable[Any]],
    *,
    numeric: Iterable[int] = (),
    class_: str = "",
) -> Html:
    """A table with a caption and scoped headings, the first cell of a row its heading, in a box that scrolls by itself.

    `numeric`: the columns whose cells are numbers.
    """
    right = set(numeric)
    titles = list(headings)

    def cell(name: str, column: int, content: Any, **more: Any) -> Html:
        return element(name, content, class_="number" if column in right else None, **more)

    head = element("tr", *(cell("th", i, title, scope="col") for i, title in enumerate(titles)))
    body = [
        element(
            "tr",
            *(
                cell("td", i, c, data_label=titles[i]) if i else cell("th", i, c, scope="row")
                for i, c in enumerate(row)
            ),
        )
        for row in rows
    ]
    found = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body), class_=class_ or None
    )
    return element("div", found, class_="scroll", tabindex=0, role="region", aria_label=caption)


def folded(title: Any, *children: Any, open_: bool = False, class_: str | None = None) -> Html:
    """A part that a reader opens."""
    return element("details", element("summary", title), *children, open_=open_, class_=class_)
