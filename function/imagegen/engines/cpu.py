"""What this machine's CPU can do: its fastest precision and how many threads run in parallel."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_CPUINFO: Final = Path("/proc/cpuinfo")
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_MB_PER_VCPU: Final = 1769
"""Memory per vCPU (AWS Lambda Developer Guide, "Configure Lambda function memory")."""
_AMX: Final = "amx_bf16"
_BFLOAT16: Final = (_AMX, "avx512_bf16")
_FLOAT16: Final = ("asimdhp",)
"""Arm's half-precision vector instructions, in Graviton2 and later."""


@dataclass(frozen=True)
class Precision:
    """The fastest precision that preserves image quality, and why."""

    name: Literal["float32", "bfloat16", "float16"]
    reason: str


def fastest_precision(threads: int, max_isa: str = "", cpuinfo: Path = _CPUINFO) -> Precision:
    """Return a 16-bit type only if the CPU has instructions for it: emulation is slower than float32.

    `max_isa` is oneDNN's own limit, ONEDNN_MAX_CPU_ISA, which can exclude the CPU's bfloat16 instructions.
    """
    found = _flags(cpuinfo)
    flag = next((each for each in (*_BFLOAT16, *_FLOAT16) if each in found), None)
    if flag is None:
        return Precision("float32", f"the CPU has none of {', '.join((*_BFLOAT16, *_FLOAT16))}")
    if flag in _FLOAT16:
        return Precision("float16", f"the CPU has {flag}")
    if not _allows_bfloat16(max_isa):
        return Precision("float32", f"ONEDNN_MAX_CPU_ISA={max_isa} disables the CPU's {flag}")
    return compilable(Precision("bfloat16", f"the CPU has {flag}"), threads, max_isa, cpuinfo)


def compilable(precision: Precision, threads: int, max_isa: str = "", cpuinfo: Path = _CPUINFO) -> Precision:
    """Return `precision`, or float32 if OpenVINO would end the process when it compiles a network.

    With AMX and one thread it divides by zero (https://github.com/openvinotoolkit/openvino/issues/33300, and OpenVINO
    2026.4.1). It uses no more threads than this process has CPUs.
    """
    amx = _AMX in _flags(cpuinfo) and _allows_amx(max_isa)
    if precision.name != "bfloat16" or not amx or min(threads, processors()) > 1:
        return precision
    why = (
        f"{precision.reason}, but with one thread OpenVINO crashes on {_AMX}; a second CPU, or "
        "ONEDNN_MAX_CPU_ISA=AVX512_CORE_FP16, allows bfloat16"
    )
    return Precision("float32", why)


def vcpus(memory_mb: int, quota: Path = _QUOTA) -> int:
    """Return how many threads run in parallel: the minimum of CPU affinity, cgroup quota and Lambda's memory share."""
    return min(processors(), _quota(quota), max(1, round(memory_mb / _MB_PER_VCPU)))


def processors() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _allows_bfloat16(max_isa: str) -> bool:
    """Return whether the limit includes bfloat16. Names: oneDNN's documentation, "CPU Dispatcher Control"."""
    name = max_isa.upper()
    return name in ("", "ALL", "DEFAULT") or "BF16" in name or "FP16" in name or "AMX" in name or "AVX10" in name


def _allows_amx(max_isa: str) -> bool:
    """Return whether the limit includes AMX; names as above."""
    name = max_isa.upper()
    return name in ("", "ALL", "DEFAULT") or "AMX" in name


def _flags(cpuinfo: Path) -> set[str]:
    """Return the first CPU's `flags` (x86) or `Features` (Arm); empty if the system has no such file."""
    if not cpuinfo.exists():
        return set()
    for line in cpuinfo.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def _quota(path: Path) -> int:
    """Return the cgroup's quota in CPUs, rounded up (cgroup v2, cpu.max: "$MAX $PERIOD" in microseconds)."""
    unlimited = 2**16
    if not path.exists():
        return unlimited
    allowed, period = path.read_text().split()
    return unlimited if allowed == "max" else max(1, math.ceil(int(allowed) / int(period)))
