"""The chart: monthly cost over images a month, both logarithmic, with the break-evens of Lambda on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagegen_cli.cost.choices import CHOICES
from imagegen_cli.cost.comparison import Comparison, numbers_of_images
from imagegen_cli.cost.drawing_time import Request
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS: Final = {
    "lambda": "#c2571a",
    "lambda-provisioned": "#d9a441",
    "lambda-gpu": "#3d7a4e",
    "gpu-server": "#5b8db8",
    "hosted-api": "#7a5195",
}
_ON_DEMAND: Final = "lambda"
_LEAST_SHOWN: Final = 100
_MOST_SHOWN: Final = 10_000_000


def draw(comparison: Comparison, request: Request, path: Path) -> None:
    """Write the chart as PNG or SVG. Raises Failure without matplotlib, or if the file cannot be written."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise usage(f"--chart: {path.name} must end in .png or .svg.")
    try:
        import matplotlib as mpl
    except ImportError:
        raise usage("--chart needs matplotlib: pip install '.[chart]' in a checkout.") from None
    mpl.use("Agg")
    from matplotlib.figure import Figure

    mpl.rcParams["svg.hashsalt"] = "imagegen"  # the same ids in each run
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    _plot(figure.subplots(), comparison, request)
    try:
        with whole_file(path) as file:
            figure.savefig(file, format=kind, dpi=100, metadata={"Date": None} if kind == "svg" else {"Software": None})
    except OSError as error:
        raise Failure(ExitCode.FILE, f"{path} cannot be written: {error.strerror}.") from None


def _plot(axes: Axes, comparison: Comparison, request: Request) -> None:
    points = [each for each in numbers_of_images() if _LEAST_SHOWN <= each <= _MOST_SHOWN]
    priced = [choice for choice in CHOICES if not choice.missing(comparison.situation)]
    for choice in priced:
        costs = [comparison.usd(choice, images) for images in points]
        axes.plot(points, costs, color=_COLORS[choice.id], label=choice.name)
    crossings = [each for each in comparison.break_evens() if _ON_DEMAND in (each.below.id, each.above.id)]
    for number, found in enumerate(crossings):
        if points[0] <= found.images <= points[-1]:
            _mark(axes, found.images, comparison.usd(found.above, found.images), is_above=number % 2 == 1)
    axes.axvline(comparison.month.images, color="#999999", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", yscale="log", xlabel="images a month", ylabel="USD a month")
    axes.set_xlim(points[0], points[-1])
    axes.set_title(_title(comparison, request), fontsize=10)
    axes.grid(visible=True, color="#e5e5e5")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)


def _mark(axes: Axes, images: int, usd: float, *, is_above: bool) -> None:
    """Mark a break-even. Neighbours may be close, so their numbers are on different sides of the line."""
    axes.plot(images, usd, "o", color="#222222", markersize=5, zorder=3)
    offset, side = ((-6, 5), "right") if is_above else ((6, -12), "left")
    axes.annotate(f"{images:,}", (images, usd), offset, textcoords="offset points", fontsize=9, ha=side)


def _title(comparison: Comparison, request: Request) -> str:
    situation = comparison.situation
    gpu = (
        ""
        if situation.gpu.seconds is None
        else f", {situation.gpu.seconds:g} s on {situation.gpu.instance} (published)"
    )
    return (
        f"{request.model.id}, {request.width} x {request.height}, {request.steps} steps: "
        f"{situation.cpu.image_s:.3g} s on the CPU (measured){gpu}\n"
        f"{situation.tariff.region}, prices noted {situation.tariff.source.noted}; "
        "points: break-evens with Lambda on demand"
    )
