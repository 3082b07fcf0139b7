"""Pictures for publication, drawn by matplotlib: the same bytes for the same run."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ndgrad.cli.plots import limits, number

if TYPE_CHECKING:
    from ndgrad.cli.plots import Drawn

# Okabe and Ito's colours, which colour-blind people tell apart; each tangent also has a dash of its own.
BLUE, GREEN = "#0072b2", "#009e73"
TANGENTS = ("#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("--", "-.", ":", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 1)))
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "axes.edgecolor": "#4d4d4d",
    "legend.frameon": True,
    "legend.framealpha": 0.85,
    "legend.edgecolor": "white",
    "lines.linewidth": 1.8,
    "svg.hashsalt": "ndgrad",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "mathtext.default": "regular",
    "axes.unicode_minus": True,
}
ARROWS = 17  # along each side of a contour


def data(drawn: Drawn, format: str) -> bytes:
    """The picture in one of the formats svg, png, pdf."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of the cache for its fonts
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        if drawn.samples is None:
            figure = _heat(drawn, Figure)
        elif len(drawn.samples.axes) == 1:
            figure = _curve(drawn, Figure)
        else:
            figure = _contour(drawn, Figure)
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
        figure.savefig(buffer, format=format, dpi=200, metadata=metadata)
    return buffer.getvalue()


def _curve(drawn: Drawn, figure_of: Any) -> Any:
    """The value with its tangents above, the derivative below."""
    samples = drawn.samples
    assert samples is not None
    x = samples.axes[0].points
    name = _plain(drawn.label(samples.axes[0].label))
    figure = figure_of(figsize=(6.4, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    upper.plot(*drawn.curve, color=BLUE, label=_plain(drawn.label(drawn.of)))
    upper.set_xlim(x[0], x[-1])
    low, high = limits(samples.values)
    for i, line in enumerate(drawn.tangents):
        colour, dash = TANGENTS[i % len(TANGENTS)], DASHES[i % len(DASHES)]
        said = f"tangent at {samples.axes[0].label} = {number(line.at)}:  {line.equation}"
        upper.axline((line.at, line.value), slope=line.slope, color=colour, linestyle=dash, linewidth=1.4, label=said)
        for axes, height in ((upper, line.value), (lower, line.slope)):
            axes.plot([line.at], [height], "o", color=colour, markersize=5, zorder=3)
    upper.set_ylim(low, high)
    upper.set_ylabel(_plain(drawn.label(drawn.of)))
    upper.legend(loc="best", fontsize=9)
    lower.axhline(0, color="#808080", linewidth=0.8)
    lower.plot(x, drawn.slopes[0], color=GREEN)
    lower.set_ylim(*limits(drawn.slopes[0], 0.0))
    lower.set_ylabel(drawn.slope_label)
    lower.set_xlabel(name)
    figure.align_ylabels()
    return figure


def _contour(drawn: Drawn, figure_of: Any) -> Any:
    """Filled levels, with arrows along the gradient whose length grows with its size."""
    samples = drawn.samples
    assert samples is not None
    from matplotlib.colors import BoundaryNorm

    (a, b), z = samples.axes, samples.values.T
    shown = np.where(np.isfinite(z), z, np.nan)
    figure = figure_of(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.subplots()
    axes.grid(False)
    levels = _levels(shown)
    filled = axes.contourf(a.points, b.points, shown, levels=levels, cmap="cividis", norm=BoundaryNorm(levels, 256))
    axes.contour(filled, colors="white", linewidths=0.5, alpha=0.6)
    at = [
        np.unique(np.linspace(0, len(axis.points) - 1, min(ARROWS, len(axis.points))).round().astype(int))
        for axis in (a, b)
    ]
    inner = [rows[1:-1] if len(rows) > 4 else rows for rows in at]
    grid = np.ix_(inner[1], inner[0])
    u, v = (slope.T[grid] for slope in drawn.slopes)
    # In parts of each axis, so that arrows stand upright on the contours where the axes have different scales.
    width, height = np.ptp(a.points), np.ptp(b.points)
    u, v = u * width, v * height
    size = np.hypot(u, v)
    somewhere = np.isfinite(size) & (size > 0)
    u, v, size = (np.where(somewhere, part, 0.0) for part in (u, v, size))
    longest = size.max(initial=0.0) or 1.0
    scale = (size / longest) ** 0.25 / np.where(somewhere, size, 1)
    axes.quiver(
        a.points[inner[0]], b.points[inner[1]], u * scale, v * scale, color="#d55e00", angles="uv", pivot="tail",
        scale=22, width=0.004, headwidth=3.6, headlength=4.2, edgecolor="white", linewidth=0.3,
    )  # fmt: skip
    axes.set_xlim(a.points[0], a.points[-1])
    axes.set_ylim(b.points[0], b.points[-1])
    axes.set_xlabel(_plain(drawn.label(a.label)))
    axes.set_ylabel(_plain(drawn.label(b.label)))
    bar = figure.colorbar(filled, ax=axes, spacing="uniform", format=lambda value, _: number(float(value)))
    bar.set_label(_plain(drawn.label(drawn.of)))
    bar.outline.set_visible(False)
    axes.set_title("arrows: the gradient, longer where it is larger", fontsize=9, color="#4d4d4d")
    return figure


def _heat(drawn: Drawn, figure_of: Any) -> Any:
    """The gradient by a matrix: 0 in white, one colour to either side."""
    heat = np.where(np.isfinite(drawn.heat), drawn.heat, np.nan)
    rows, columns = heat.shape
    height = min(max(6.4 * 0.78 * rows / columns, 1.0) + 0.9, 8.0)
    figure = figure_of(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(False)
    most = np.nanmax(np.abs(heat), initial=0.0) or 1.0
    image = axes.imshow(heat, cmap="PuOr_r", vmin=-most, vmax=most, aspect="equal" if rows > 1 else "auto")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    if rows == 1:
        axes.set_yticks([])
    if heat.size <= 80 and columns <= 10:
        for (i, j), value in np.ndenumerate(heat):
            said = number(float(value)) if np.isfinite(value) else "nan"
            axes.text(
                j, i, said, ha="center", va="center", fontsize=8, color="white" if abs(value) > 0.6 * most else "black"
            )
    name = _plain(drawn.label(drawn.by))
    axes.set_xlabel(f"column of {name}" if rows > 1 else f"entry of {name}")
    if rows > 1:
        axes.set_ylabel(f"row of {name}")
    bar = figure.colorbar(image, ax=axes)
    bar.set_label(drawn.slope_label)
    bar.outline.set_visible(False)
    return figure


def _levels(z: Any) -> Any:
    """Of a contour: round numbers evenly apart, or by equal shares of the area where a few points are far above."""
    from matplotlib.ticker import MaxNLocator

    finite = z[np.isfinite(z)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return [low - 1, low, low + 1]
    if np.median(finite) - low > 0.15 * (high - low):
        return MaxNLocator(14, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inner = [float(f"{level:.2g}") for level in np.quantile(finite, np.linspace(0, 1, 15)[1:-1])]
    return np.unique([low, *(level for level in inner if low < level < high), high])


def _plain(text: str) -> str:
    # Not mathematics to matplotlib, whatever it holds.
    return text.replace("$", r"\$")
