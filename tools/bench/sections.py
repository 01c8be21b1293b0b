"""Sections of the report: tables, with a summary in words."""

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
F32: Final = "product, float32"
BF16: Final = "product, bfloat16"
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
    """Return the rows (case id to name) whose case has runs."""
    return {case_id: name for case_id, name in rows.items() if figures.results.runs.get(case_id)}


def times(figures: Figures, rows: dict[str, str]) -> str:
    """Return the table of times of the rows (case id to name)."""
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
    """Return the table of memory and cost of the rows (case id to name)."""
    if not rows:
        return "Not measured."

    def cells(case_id: str) -> list[str]:
        first, warm = figures.median(case_id, FIRST), figures.median(case_id, WARM)
        costs = [text for each in (first, warm) for text in (number(gb_seconds(each)), dollars(usd(each)))]
        return [spread(figures.spread(case_id, PEAK)), *costs]

    header = ["", "peak resident MB", "first image: GB-s", "$", "warm image: GB-s", "$"]
    return table(header, ([name, *cells(case_id)] for case_id, name in rows.items()))


def equal_work(figures: Figures) -> str:
    """Return the comparison on the same calls, guidance and decoder."""
    readings: dict[str, Reading] = {
        "first image once loaded": COLD,
        "warm image": WARM,
        "UNet call": STEP,
        "decode": DECODE,
        "peak MB": PEAK,
    }
    rows = {cases.NAIVE.id: "torch (the naive handler)", cases.EQUAL.id: "product"}
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
        "Float32, four steps of PNDM at guidance 7.5, the checkpoint's own decoder. Loading and compiling for the size "
        "are excluded. The target applies to the smaller of the two images' ratios.\n\n"
        + table(["seconds", "UNet calls", *readings], times)
    )


def roofline(figures: Figures) -> str:
    """Return the comparison of a UNet call with the roofline, and the rates behind it."""
    rows, notes = [], []
    for case_id, precision in ((cases.ONE_THREAD.id, "float32"), (cases.ONE_THREAD_BF16.id, "bfloat16")):
        median = figures.median_roofline(precision)
        rate = median.best(precision) if median else None
        if rate is None:
            continue
        limit_s, step = figures.roofline_s(precision), figures.spread(case_id, STEP)
        over = number(figures.step_over_roofline(case_id, precision), "x")
        rows.append([precision, number(rate.gflops), spread(limit_s), spread(step), over])
        channels_in, channels_out, side = rate.shape
        notes.append(
            f"{precision}: the fastest 3 x 3 convolution is {channels_in} to {channels_out} channels at "
            f"{side} x {side}, in {rate.library}."
        )
    if not rows:
        return "Not measured."
    float32 = figures.median_roofline("float32")
    gflop = number(float32.unet_gflop) if float32 else "-"
    header = ["", "best GFLOP/s", "roofline, seconds", "product, seconds", "over the roofline"]
    return f"{gflop} GFLOP per call. " + " ".join(notes) + "\n\n" + table(header, rows) + "\n\n" + _rates(figures)


def _rates(figures: Figures) -> str:
    float32 = figures.median_roofline("float32")
    if float32 is None:
        return ""
    columns = list(dict.fromkeys((rate.library, rate.precision) for rate in float32.rates))
    found = {(rate.shape, rate.library, rate.precision): rate.gflops for rate in float32.rates}
    rows = [
        [
            f"{shape[0]} -> {shape[1]} at {shape[2]} x {shape[2]}",
            *(number(found.get((shape, *column))) for column in columns),
        ]
        for shape in dict.fromkeys(rate.shape for rate in float32.rates)
    ]
    return table(["GFLOP/s on one thread", *(f"{library}, {precision}" for library, precision in columns)], rows)


def without_avx512(figures: Figures) -> str:
    """Return the comparison with oneDNN limited to AVX2."""
    rows = measured(figures, {cases.NAIVE_AVX2.id: NAIVE, cases.F32_AVX2.id: F32})
    speedup = figures.speedup(cases.NAIVE_AVX2.id, cases.F32_AVX2.id, FIRST)
    slowdown = ratio(figures.median(cases.F32_AVX2.id, FIRST), figures.median(cases.F32.id, FIRST))
    if speedup is None or slowdown is None:
        return times(figures, rows)
    return (
        f"{times(figures, rows)}\n\n"
        f"First image: {speedup:.1f} times faster than the naive handler's, {slowdown:.1f} times slower than with "
        "AVX-512."
    )


def handler(figures: Figures) -> str:
    """Return import times and overhead of the handler."""
    imports = ", ".join(f"`{name}` {number(seconds)} s" for name, seconds in figures.import_s.items())
    text = f"Median import time of an entrypoint in a new interpreter: {imports}.\n\n"
    overhead = figures.overhead
    if overhead is None:
        return text + "The overhead was not measured."
    return text + (
        f"Overhead around the engine, median of {overhead.requests} warm requests: {number(overhead.gateway_ms)} ms "
        f"for a gateway event, {number(overhead.direct_ms)} ms for a direct invocation. This includes validation, "
        "hashing, signing, logs, metrics and the deadline check in each step. It excludes, in the same requests, "
        f"{number(overhead.engine_ms)} ms in the engine, {number(overhead.encode_ms)} ms in the PNG encoder and "
        f"{number(overhead.s3_ms)} ms in calls to the local S3 server."
    )


def peer_times(figures: Figures) -> str:
    """Return the times of the installed peers on the naive handler's work, and the names of the missing ones."""
    present = measured(figures, {case.id: case.id for case in peers.CASES})
    missing = [f"{case.id}: not installed." for case in peers.CASES if case.id not in present]
    return "\n\n".join([*([times(figures, present)] if present else []), " ".join(missing)]).strip()
