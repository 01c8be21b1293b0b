"""The report's tables, each with what it says in words."""

from __future__ import annotations

from typing import Final

from tools.bench import cases, peers
from tools.bench.figures import (
    CALLS,
    COLD,
    COMPILED,
    DECODE,
    FIRST,
    IMPORTED,
    PEAK,
    STEP,
    WARM,
    Figures,
    Reading,
    gb_seconds,
    ratio,
    usd,
)
from tools.bench.markdown import dollars, number, spread, table

NAIVE: Final = "naive handler, float32"
F32: Final = "ours, float32"
BF16: Final = "ours, bfloat16"
TIMES: Final[dict[str, Reading]] = {
    "compiled": COMPILED,
    "**first image**": FIRST,
    "warm image": WARM,
    "UNet call": STEP,
    "decode": DECODE,
}


SD15: Final = {cases.NAIVE.id: NAIVE, cases.F32.id: F32, cases.BF16.id: BF16}
DEMO: Final = {cases.DEMO_NAIVE.id: NAIVE, cases.DEMO_F32.id: F32, cases.DEMO_BF16.id: BF16}


def measured(figures: Figures, rows: dict[str, str]) -> dict[str, str]:
    return {case_id: name for case_id, name in rows.items() if figures.results.runs.get(case_id)}


def times(figures: Figures, rows: dict[str, str]) -> str:
    if not rows:
        return "Not measured."
    return table(
        ["seconds", "import", "ready", *TIMES, "runs"],
        (
            [
                name,
                spread(figures.spread(case_id, IMPORTED)),
                spread(figures.ready(case_id)),
                *(spread(figures.spread(case_id, reading)) for reading in TIMES.values()),
                str(len(figures.results.runs[case_id])),
            ]
            for case_id, name in rows.items()
        ),
    )


def costs(figures: Figures, rows: dict[str, str]) -> str:
    if not rows:
        return "Not measured."

    def cells(case_id: str) -> list[str]:
        first, warm = figures.median(case_id, FIRST), figures.median(case_id, WARM)
        costs = [text for each in (first, warm) for text in (number(gb_seconds(each)), dollars(usd(each)))]
        return [spread(figures.spread(case_id, PEAK)), *costs]

    header = ["", "peak resident MB", "first image: GB-s", "$", "warm image: GB-s", "$"]
    return table(header, ([name, *cells(case_id)] for case_id, name in rows.items()))


def equal_work(figures: Figures) -> str:
    readings: dict[str, Reading] = {
        "first image once loaded": COLD,
        "warm image": WARM,
        "UNet call": STEP,
        "decode": DECODE,
        "peak MB": PEAK,
    }
    rows = {cases.NAIVE.id: "torch (the naive handler)", cases.EQUAL.id: "ours"}
    times = [
        [
            name,
            f"{figures.median(case_id, CALLS) or 0:.0f}",
            *(spread(figures.spread(case_id, reading)) for reading in readings.values()),
        ]
        for case_id, name in rows.items()
    ]
    speedups = [figures.speedup(cases.NAIVE.id, cases.EQUAL.id, reading) for reading in readings.values()]
    times.append(["**times faster**", "", *(number(value, "x") for value in speedups[:-1]), ""])
    return (
        "Float32, four steps of PNDM at guidance 7.5, the checkpoint's own decoder. Loading is left out, "
        "and compiling for the size. The smaller of the two images' ratios counts.\n\n"
        + table(["seconds", "UNet calls", *readings], times)
    )


def bound(figures: Figures) -> str:
    rows, notes = [], []
    for case_id, precision in ((cases.ONE_THREAD.id, "float32"), (cases.ONE_THREAD_BF16.id, "bfloat16")):
        best = figures.best_bound(precision)
        rate = best.best(precision) if best else None
        if best is None or rate is None:
            continue
        step, bound = figures.spread(case_id, STEP), figures.bound_s(precision)
        over = number(figures.step_over_bound(case_id, precision), "x")
        rows.append([precision, number(rate.gflops), spread(bound), spread(step), over])
        channels_in, channels_out, side = rate.shape
        notes.append(
            f"{precision}: the fastest 3 x 3 convolution takes {channels_in} to {channels_out} channels at "
            f"{side} x {side}, in {rate.library}."
        )
    if not rows:
        return "Not measured."
    best = figures.best_bound("float32")
    gflop = number(best.unet_gflop) if best else "-"
    header = ["", "best GFLOP/s", "bound, seconds", "ours, seconds", "over the bound"]
    return f"{gflop} GFLOP a call. " + " ".join(notes) + "\n\n" + table(header, rows) + "\n\n" + _rates(figures)


def _rates(figures: Figures) -> str:
    best = figures.best_bound("float32")
    if best is None:
        return ""
    columns = list(dict.fromkeys((rate.library, rate.precision) for rate in best.rates))
    found = {(rate.shape, rate.library, rate.precision): rate.gflops for rate in best.rates}
    rows = [
        [
            f"{shape[0]} -> {shape[1]} at {shape[2]} x {shape[2]}",
            *(number(found.get((shape, *each))) for each in columns),
        ]
        for shape in dict.fromkeys(rate.shape for rate in best.rates)
    ]
    return table(["GFLOP/s of one thread", *(f"{library}, {precision}" for library, precision in columns)], rows)


def without_avx512(figures: Figures) -> str:
    rows = measured(figures, {cases.NAIVE_AVX2.id: NAIVE, cases.F32_AVX2.id: F32})
    first = figures.speedup(cases.NAIVE_AVX2.id, cases.F32_AVX2.id, FIRST)
    lost = ratio(figures.median(cases.F32_AVX2.id, FIRST), figures.median(cases.F32.id, FIRST))
    if first is None or lost is None:
        return times(figures, rows)
    said = f"First image: {first:.1f} times faster than the naive handler's, {lost:.1f} times slower than with AVX-512."
    return f"{times(figures, rows)}\n\n{said}"


def handler(figures: Figures) -> str:
    imports = ", ".join(f"`{name}` {number(seconds)} s" for name, seconds in figures.import_s.items())
    text = f"Import of an entrypoint in a fresh interpreter, median: {imports}.\n\n"
    overhead = figures.overhead
    if overhead is None:
        return text + "The overhead was not measured."
    return text + (
        f"Overhead around the engine, median of {overhead.requests} warm requests: {number(overhead.gateway_ms)} ms "
        f"through the gateway's event, {number(overhead.direct_ms)} ms invoked directly. Validating, hashing, signing, "
        "logs, metrics and each step's look at the deadline count. Not counted, in the same requests: "
        f"{number(overhead.engine_ms)} ms in the engine, {number(overhead.encode_ms)} ms in the PNG encoder, "
        f"{number(overhead.s3_ms)} ms in calls to the stand-in for S3."
    )


def compared(figures: Figures) -> str:
    """Those that were there, on the naive handler's work."""
    present = measured(figures, {case.id: case.id for case in peers.CASES})
    missing = [f"{case.id}: not installed." for case in peers.CASES if case.id not in present]
    return "\n\n".join([*([times(figures, present)] if present else []), " ".join(missing)]).strip()
