"""Models whose schemas are built at first use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import create_model

from imagegen.lazy_model import LazyModel


@pytest.fixture
def frequent_thread_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("frequent_thread_switches")
def test_threads_may_be_the_first_to_use_a_model_at_once() -> None:
    with ThreadPoolExecutor(4) as threads:
        for _ in range(200):
            inner = create_model("Inner", __base__=LazyModel, n=(int, ...))
            outer = create_model("Outer", __base__=LazyModel, inner=(inner, ...))

            def create(n: int, inner: type[LazyModel] = inner, outer: type[LazyModel] = outer) -> LazyModel:
                return outer.model_validate({"inner": inner.model_validate({"n": n})})

            created = list(threads.map(create, range(4)))

            assert [each.model_dump() for each in created] == [{"inner": {"n": n}} for n in range(4)]
