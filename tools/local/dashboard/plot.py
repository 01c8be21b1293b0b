"""The dashboard as a picture, each widget at its place in the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools.local.dashboard.function_log import Table
from tools.local.dashboard.series import Points
from tools.local.dashboard.widgets import Line, Widget

COLOURS: Final = ("#5b8db8", "#d9a441", "#6a9a58", "#b5566b", "#8472a8", "#5f6b77")
_UNIT_WIDTH, _UNIT_HEIGHT = 0.85, 0.47
"""Inches of one column and one row of the grid."""
_ROWS_OF_A_TABLE: Final = 7


def draw(
    board: Sequence[Widget],
    points: Mapping[Line, Points],
    tables: Mapping[str, Table],
    begin: float,
    path: Path,
    subtitle: str,
) -> None:
    """Write the picture to `path` as PNG. Times are seconds since `begin`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    columns = max(each.x + each.width for each in board)
    rows = max(each.y + each.height for each in board) + 1
    figure = pyplot.figure(figsize=(columns * _UNIT_WIDTH, rows * _UNIT_HEIGHT))
    figure.text(0.012, 1 - 0.5 / rows, subtitle, fontsize=10, va="center", color="#5f6b77")
    for each in board:
        left, top = each.x / columns, 1 - (each.y + 1) / rows
        if each.kind == "text":
            figure.text(left + 0.012, top - 0.55 / rows, each.title, fontsize=15, weight="bold", va="center")
            continue
        height, width = each.height / rows, each.width / columns
        box = (left + 0.16 * width, top - 0.80 * height, 0.80 * width, 0.52 * height)
        axes = figure.add_axes(box)
        axes.set_title(each.title, fontsize=9.5, loc="left", pad=26 if each.kind == "metric" else 6)
        if each.kind == "log":
            _table(axes, tables[each.title])
        else:
            _chart(axes, each, points, begin)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80, metadata={"Software": None})
    pyplot.close(figure)


def _chart(axes: Any, widget: Widget, points: Mapping[Line, Points], begin: float) -> None:
    known = [(line, points[line], COLOURS[n % len(COLOURS)]) for n, line in enumerate(widget.lines) if points[line]]
    base: dict[float, float] = {}
    for line, values, colour in known:
        if widget.stacked:
            lower = [base.get(at, 0.0) for at, _ in values]
            upper = [low + value for low, (_, value) in zip(lower, values, strict=True)]
            times = [at - begin for at, _ in values]
            axes.fill_between(times, lower, upper, color=colour, label=line.label, linewidth=1.2, edgecolor=colour)
            base |= {at: high for (at, _), high in zip(values, upper, strict=True)}
        else:
            axes.plot(
                *zip(*((at - begin, value) for at, value in values), strict=True),
                color=colour, label=line.label, marker="o", markersize=3, linewidth=1.2,
            )  # fmt: skip
    if not known:
        _nothing(axes, "only in CloudWatch" if _only_in_cloudwatch(widget) else "no data in this run")
        return
    if widget.limit is not None:
        axes.axhline(widget.limit, color="#b5566b", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0, top=None if any(value for _, values, _ in known for _, value in values) else 1)
    axes.tick_params(labelsize=7)
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=2, frameon=False, fontsize=7, borderpad=0)


def _table(axes: Any, rows: Table) -> None:
    headings, *found = rows
    if not found:
        _nothing(axes, "none in this run")
        return
    axes.axis("off")
    table = axes.table(
        found[:_ROWS_OF_A_TABLE], colLabels=headings, loc="upper left", cellLoc="left", edges="horizontal"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    table.auto_set_column_width(list(range(len(headings))))


def _only_in_cloudwatch(widget: Widget) -> bool:
    return widget.computed or all(line.namespace.startswith("AWS/") for line in widget.lines)


def _nothing(axes: Any, text: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#d5dae0")
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=8, color="#9aa5b1", transform=axes.transAxes)
