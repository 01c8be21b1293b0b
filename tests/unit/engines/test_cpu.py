from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegen.engines.cpu import fastest_precision, vcpus

X86 = "processor\t: 0\nmodel name\t: some\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\nflags\t\t: fpu\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.fixture
def cpuinfo(tmp_path: Path) -> Path:
    return tmp_path / "cpuinfo"


@pytest.mark.parametrize(
    ("text", "max_isa", "expected"),
    [
        (X86.format("avx512f"), "", "float32"),
        (X86.format("avx512_bf16"), "", "bfloat16"),
        (X86.format("amx_bf16 avx512_bf16"), "", "bfloat16"),
        (X86.format("avx512_bf16"), "AVX2", "float32"),
        (X86.format("avx512_bf16"), "avx512_core", "float32"),
        (X86.format("avx512_bf16"), "AVX512_CORE_BF16", "bfloat16"),
        (X86.format("avx512_bf16"), "ALL", "bfloat16"),
        (ARM.format("fphp asimdhp"), "", "float16"),
        (ARM.format("crc32"), "", "float32"),
        ("", "", "float32"),
    ],
)
def test_16_bit_precision_needs_hardware_support(cpuinfo: Path, text: str, max_isa: str, expected: str) -> None:
    cpuinfo.write_text(text)
    precision = fastest_precision(max_isa, cpuinfo)
    assert precision.name == expected
    assert precision.reason


def test_float32_is_used_without_cpuinfo(cpuinfo: Path) -> None:
    assert fastest_precision(cpuinfo=cpuinfo).name == "float32"


def test_the_thread_count_is_limited_by_memory_affinity_and_quota(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    granted = len(os.sched_getaffinity(0))
    assert vcpus(10240, quota) == min(granted, 6)
    assert vcpus(1769, quota) == 1
    assert vcpus(128, quota) == 1
    quota.write_text("max 100000\n")
    assert vcpus(10240, quota) == min(granted, 6)
    quota.write_text("150000 100000\n")
    assert vcpus(10240, quota) == min(granted, 2)
    quota.write_text("50000 100000\n")
    assert vcpus(10240, quota) == 1
