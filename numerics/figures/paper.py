"""How figures look: one style, colours with markers and lines of their own, labels with units, grids that fit a page."""

from __future__ import annotations

import functools
import io
import re
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Okabe and Ito's colours, in the order in which to use them."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))
GREY = "#777777"

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 2.35, 2.15, 3
"""Inches of a panel, and panels in a row: three fill the width of a page."""

_STYLE: Mapping[str, Any] = {
    "font.family": "STIXGeneral", "mathtext.fontset": "stix", "font.size": 10, "axes.labelsize": 10,
    "axes.titlesize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "legend.frameon": False,
    "legend.handlelength": 2.2, "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.minor.width": 0.4, "ytick.minor.width": 0.4,
    "xtick.major.size": 3, "ytick.major.size": 3, "xtick.minor.size": 1.8, "ytick.minor.size": 1.8,
    "lines.linewidth": 1.3, "axes.formatter.limits": (-3, 4),
    "axes.unicode_minus": True, "figure.dpi": 100, "savefig.dpi": 200, "figure.facecolor": "white",
    "svg.fonttype": "path", "svg.hashsalt": "sgd-theory", "pdf.fonttype": 42,
}  # fmt: skip
_UNDATED: Mapping[str, Mapping[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _style() -> AbstractContextManager[None]:
    """Matplotlib's settings are those of the style, until the context ends."""
    import matplotlib

    settings: Any = dict(_STYLE)
    return matplotlib.rc_context(settings)


def styled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorator: the function runs under the style; the caller's settings are as before when it returns."""

    @functools.wraps(function)
    def wrapped(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        with _style():
            return function(*arguments, **options)

    return wrapped


@functools.cache
def _figure_class() -> type[Figure]:
    """The class of the figures; matplotlib is loaded where the first one is made."""
    from matplotlib.figure import Figure

    class PaperFigure(Figure):
        # ticks are made when a figure is drawn, so drawing needs the style as much as making it does
        @styled
        def draw(self, renderer: Any) -> None:
            super().draw(renderer)

        @styled
        def savefig(self, fname: Any, **options: Any) -> None:
            kind = options.get("format") or str(fname).rpartition(".")[2].lower()
            metadata = {**_UNDATED.get(kind, {}), **(options.pop("metadata", None) or {})}
            super().savefig(fname, metadata=metadata or None, **options)

        def _repr_svg_(self) -> str:
            return svg_text(self)

    return PaperFigure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches, which is drawn and saved in the style of this package."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return _figure_class()(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def svg_text(figure: Figure) -> str:
    """The `<svg>` element of a figure, without the declarations of a file of its own: the same text for the same data.

    >>> svg_text(new_figure(1, 1)).startswith("<svg ")
    True
    """
    file = io.StringIO()
    with _style():
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg ") :], flags=re.DOTALL)
    return _PLACES.sub(lambda attribute: _DIGITS.sub(r"\1", attribute[0]), text)


_PLACES = re.compile(r'\b(?:d|x|y)="[^"]*"')
_DIGITS = re.compile(r"(\d\.\d\d)\d+")  # a hundredth of a point is finer than any screen


def columns_for(count: int) -> int:
    """Panels in a row, so that the last row is not nearly empty: four make two rows of two.

    >>> [columns_for(n) for n in (1, 2, 3, 4, 5, 9)]
    [1, 2, 3, 2, 3, 3]
    """
    return 2 if count == 4 else min(COLUMNS, count)


# ---------------------------------------------------------------------------------------------------------- labels

_GREEK = frozenset(
    {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi",
     "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma",
     "Upsilon", "Phi", "Psi", "Omega"}
)  # fmt: skip
_NAME = re.compile(r"(?P<stem>[A-Za-z]+)(?P<number>\d*)(?P<rest>(?:_[A-Za-z0-9]+)*)(?:\*\*(?P<power>\d+))?")


def mathematical(name: str) -> str:
    r"""A name as mathtext where it is that of a symbol (`tau`, `w1`, `q_squared`, `w**2`), else as it stands.

    >>> mathematical("w1"), mathematical("tau"), mathematical("theta**2"), mathematical("dot(w, v)")
    ('$w_{1}$', '$\\tau$', '$\\theta^{2}$', 'dot(w, v)')
    """
    terms = re.split(r" ([+-]) ", name)
    terms[::2] = [" ".join(factors) if all(factors := _factors(term)) else "" for term in terms[::2]]
    return f"${' '.join(terms)}$" if all(terms) else name.replace("$", r"\$")


def _factors(text: str) -> list[str]:
    return [_factor(part) for part in re.split(r"(?<!\*)\*(?!\*)", text)]


def _factor(text: str) -> str:
    found = _NAME.fullmatch(text)
    if not found:
        return ""
    stem, power = found["stem"], found["power"]
    letters = f"\\{stem}" if stem in _GREEK else stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    below = [part for part in (found["number"], *found["rest"].split("_")[1:]) if part]
    subscript = ",".join(part if len(part) == 1 or part.isdigit() else rf"\mathrm{{{part}}}" for part in below)
    return letters + (f"_{{{subscript}}}" if subscript else "") + (f"^{{{power}}}" if power else "")


def with_unit(text: str, unit: Any) -> str:
    """A label with its unit in brackets; 1 stands for a number without one."""
    return f"{text} [{str(unit).replace(' x ', ' × ')}]" if str(unit) else text


def theory_label(attributes: Mapping[Any, Any], what: str = "theory") -> str:
    """What a legend calls a prediction: an approximation is named."""
    approximation = attributes.get("approximation")
    return f"{what} ({_POWER.sub(_typeset_power, str(approximation))})" if approximation else what


_POWER = re.compile(r"\b([A-Za-z])\*\*(?:\(([^()]*)\)|(\d+))")


def _typeset_power(found: re.Match[str]) -> str:
    """`n**(-1/2)` as mathtext."""
    return f"${found[1]}^{{{found[2] or found[3]}}}$"


def is_geometric(values: Any) -> bool:
    """Whether an axis is better drawn logarithmically: positive, equal ratios, over more than a factor of three.

    >>> bool(is_geometric([0.1, 1, 10])), bool(is_geometric([1, 2, 3]))
    (True, False)
    """
    grid = np.asarray(values, dtype=float)
    if grid.size < 3 or not (grid > 0).all() or grid.max() < 3 * grid.min():
        return False
    ratios = np.diff(np.log(grid))
    return bool(np.ptp(ratios) < 1e-6 * abs(float(ratios.mean())))


def note(figure: Figure, text: str) -> None:
    """A small line below a figure, which says what it leaves out."""
    figure.supxlabel(wrapped(text, _characters(figure)), fontsize=8.5, color="#444444")


def legend_above(figure: Figure, handles: Mapping[str, Any]) -> None:
    """One legend for all panels above them, in as many columns as fit; a label that is too long is wrapped."""
    if not handles:
        return
    room = _characters(figure)
    labels = [wrapped(label, room - 8) for label in handles]
    lengths = [max(map(len, label.split("\n"))) + 8 for label in labels]  # the line or marker takes eight more
    columns = next(k for k in range(len(labels), 0, -1) if k == 1 or sum(_widths(lengths, k)) <= room)
    figure.legend(list(handles.values()), labels, loc="outside upper center", ncols=columns)


def _widths(lengths: list[int], columns: int) -> list[int]:
    """The width of each column of a legend, which fills them from top to bottom."""
    rows = -(-len(lengths) // columns)
    return [max(lengths[start : start + rows]) for start in range(0, len(lengths), rows)]


def _characters(figure: Figure) -> int:
    """How many characters of a legend go side by side."""
    return int(figure.get_figwidth() * 72 / 4.6)


def wrapped(text: str, room: int) -> str:
    """A text in lines of at most so many characters, broken between words."""
    return "\n".join(textwrap.wrap(text, max(room, 20), break_long_words=False, break_on_hyphens=False))


def collect(panel: Axes, handles: dict[str, Any]) -> None:
    """Add what a panel would put into a legend, each label once."""
    for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
        handles.setdefault(label, handle)
