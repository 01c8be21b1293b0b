"""The report's chart: time to the first image, by phase."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tools.bench import cases, sections
from tools.bench.figures import COMPILED, FIRST, IMPORTED, Figures

BARS: Final = {
    **sections.SD15,
    cases.NAIVE_AVX2.id: "naive handler, AVX2 only",
    cases.F32_AVX2.id: "product, AVX2 only",
}
PHASES: Final = {"import": IMPORTED, "load and compile": COMPILED, "generate and store": FIRST}
COLOURS: Final = ("#9aa5b1", "#5b8db8", "#d9a441")


def draw(figures: Figures, path: Path) -> None:
    """Write the chart to `path` as PNG: median seconds of each phase, stacked."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    bars = sections.measured(figures, BARS)
    figure, axes = pyplot.subplots(figsize=(8, 1.1 + 0.45 * len(bars)), layout="constrained")
    start = [0.0] * len(bars)
    for (phase, reading), colour in zip(PHASES.items(), COLOURS, strict=True):
        ends = [figures.median(case_id, reading) or 0.0 for case_id in bars]
        widths = [max(0.0, end - begin) for begin, end in zip(start, ends, strict=True)]
        axes.barh(list(bars.values()), widths, left=start, color=colour, label=phase)
        start = ends
    for row, seconds in enumerate(start):
        axes.text(seconds, row, f" {seconds:.1f} s", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.set_xlabel("seconds from process start to the first image, four steps at 512 x 512")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(PHASES), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
