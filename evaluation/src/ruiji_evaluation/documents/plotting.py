"""What every plot has in common: colours, letters, size, and the way to a PNG that is the same each time."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.figure import Figure

COLOURS = ("#6a655f", "#b8372b", "#2f6f8f", "#c58b2a", "#4f7d4a", "#7a5195", "#a0522d", "#3f4f9f")
"""The baseline's grey first; told apart by people who do not tell red from green."""

INK, LINE = "#1f1d1b", "#d9d3c9"
WIDTH_INCHES = 9.2

_DPI = 130
_LABEL_LENGTH = 34

_FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "IPAexGothic", "Hiragino Sans", "Yu Gothic")
"""Tried glyph by glyph, as far as they are installed; categories are often Japanese."""


def style() -> AbstractContextManager[None]:
    """Draw in this style inside a `with`."""
    installed = set(font_manager.get_font_names())
    return mpl.rc_context(
        {
            "font.family": [name for name in _FONTS if name in installed],
            "font.size": 9.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": LINE,
            "axes.axisbelow": True,
            "text.color": INK,
            "axes.labelcolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "ytick.major.size": 0,
            "xtick.major.size": 0,
        }
    )


def png(canvas: Figure) -> bytes:
    """Return a drawn figure as PNG."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that no installed font has become boxes; that is no reason to have no plot.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        FigureCanvasAgg(canvas)
        canvas.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


def short(text: str) -> str:
    """Return text that fits beside an axis."""
    # A dollar sign would start a formula.
    shown = text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"
    return shown.replace("$", r"\$")


def legend(canvas: Figure, entries: int) -> None:
    """Put the legend above the axes."""
    canvas.legend(loc="outside upper left", ncols=min(entries, 4), frameon=False)
