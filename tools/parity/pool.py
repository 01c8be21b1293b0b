"""Compares many cases in two processes."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterator, Sequence
from typing import Final

import torch

from tools.parity import reference
from tools.parity.compare import Agreement, compare
from tools.parity.settings import Case

PROCESSES: Final = 2


def agreements(cases: Sequence[Case]) -> Iterator[tuple[Case, Agreement]]:
    """Yield each case with its result, in order."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES, _prepare_process) as pool:
        yield from zip(cases, pool.imap(_agreement, cases, chunksize=4), strict=True)


def _prepare_process() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # NumPy's and torch's, about diffusers' code


def _agreement(case: Case) -> Agreement:
    with reference.double_precision():
        return compare(case, case.counts)
