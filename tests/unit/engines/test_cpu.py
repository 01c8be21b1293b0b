from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegen.engines import cpu
from imagegen.engines.cpu import Precision, compilable, fastest_precision, vcpus

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
    precision = fastest_precision(2, max_isa, cpuinfo)
    assert precision.name == expected
    assert precision.reason


@pytest.mark.parametrize(
    ("threads", "flags", "max_isa", "expected"),
    [
        (1, "amx_bf16 avx512_bf16", "", "float32"),
        (1, "amx_bf16 avx512_bf16", "AVX512_CORE_AMX", "float32"),
        (1, "amx_bf16 avx512_bf16", "AVX512_CORE_FP16", "bfloat16"),
        (1, "avx512_bf16", "", "bfloat16"),
        (2, "amx_bf16 avx512_bf16", "", "bfloat16"),
    ],
)
def test_openvino_gets_no_bfloat16_where_it_would_crash(
    cpuinfo: Path, monkeypatch: pytest.MonkeyPatch, threads: int, flags: str, max_isa: str, expected: str
) -> None:
    monkeypatch.setattr(cpu, "processors", lambda: 8)
    cpuinfo.write_text(X86.format(flags))
    assert fastest_precision(threads, max_isa, cpuinfo).name == expected
    asked = compilable(Precision("bfloat16", "PRECISION=bfloat16"), threads, max_isa, cpuinfo)
    assert (asked.name, asked.reason.startswith("PRECISION=bfloat16")) == (expected, True)


def test_openvino_uses_no_more_threads_than_cpus(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "processors", lambda: 1)
    cpuinfo.write_text(X86.format("amx_bf16"))
    assert fastest_precision(6, "", cpuinfo).name == "float32"


def test_float32_is_used_without_cpuinfo(cpuinfo: Path) -> None:
    assert fastest_precision(2, cpuinfo=cpuinfo).name == "float32"


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
