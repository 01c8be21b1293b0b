"""The cases to compare. Each one is a process that generates a cold and a warm image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tools.bench.case import Case
from tools.bench.models import DEMO, FULL, TINY

NAIVE: Final = Case("naive", "naive", FULL.id, size=512, steps=4, guidance=7.5)
"""Guidance, scheduler (PNDM, five UNet calls for four steps) and decoder are diffusers' defaults."""
F32: Final = Case("f32", "product", TINY.id, size=512, steps=4, guidance=0.0, scheduler="euler")
BF16: Final = replace(F32, id="bf16", precision="bfloat16")
EQUAL: Final = Case("equal", "product", FULL.id, size=512, steps=4, guidance=7.5, scheduler="pndm", rounds=3)
ONE_THREAD: Final = replace(F32, id="one-thread", threads=1, rounds=3)
ONE_THREAD_BF16: Final = replace(BF16, id="one-thread-bf16", threads=1, rounds=3)
NAIVE_AVX2: Final = replace(NAIVE, id="naive-avx2", isa="AVX2", rounds=1)
F32_AVX2: Final = replace(F32, id="f32-avx2", isa="AVX2", rounds=2)
DEMO_NAIVE: Final = Case("demo-naive", "naive", DEMO.id, size=128, steps=10, guidance=1.5)
DEMO_F32: Final = replace(DEMO_NAIVE, id="demo-f32", program="product", scheduler="ddim")
DEMO_BF16: Final = replace(DEMO_F32, id="demo-bf16", precision="bfloat16")
READY: Final = replace(F32, id="ready", program="ready")
READY_BF16: Final = replace(BF16, id="ready-bf16", program="ready")
DEMO_READY: Final = replace(DEMO_F32, id="demo-ready", program="ready")
READY_OF: Final = {F32.id: READY.id, BF16.id: READY_BF16.id, DEMO_F32.id: DEMO_READY.id}
"""The product still loads in the background during its first image, so readiness is measured in separate processes."""
OVERHEAD: Final = replace(DEMO_F32, id="overhead", steps=4)


def one_round(*, bfloat16: bool, quick: bool, peers: Sequence[Case] = ()) -> list[Case]:
    """Return every case once, naive and product interleaved; bfloat16 cases only if `bfloat16`."""
    product = [F32, READY, BF16, READY_BF16, EQUAL, ONE_THREAD, ONE_THREAD_BF16]
    demo = [DEMO_NAIVE, DEMO_F32, DEMO_READY, DEMO_BF16]
    skipped = {ONE_THREAD_BF16} if quick else set()
    return [
        case
        for case in (NAIVE, *product, *demo, NAIVE_AVX2, F32_AVX2, *peers)
        if case not in skipped and (bfloat16 or case.precision != "bfloat16")
    ]
