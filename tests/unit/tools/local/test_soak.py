"""What a run under load says."""

from __future__ import annotations

import pytest

from tools.local.soak import Log, growth, has_grown, report

MB = 2**20


def samples(start_mb: float, end_mb: float, number: int = 20) -> list[dict[str, float]]:
    """Generator grows evenly after the first fifth, in which it has only begun to load."""
    step = (end_mb - start_mb) / (number - 1)
    return [{"Generator": (10 if turn < number / 5 else start_mb + step * turn) * MB} for turn in range(number)]


def test_a_process_is_compared_with_itself_after_it_has_loaded() -> None:
    memory = growth(samples(400, 400))
    assert memory == {"Generator": (400 * MB, 400 * MB)}
    assert not has_grown(memory)


@pytest.mark.parametrize(("end_mb", "grown"), [(400, False), (408, False), (420, True), (800, True)])
def test_more_than_two_percent_is_growth(end_mb: float, grown: bool) -> None:
    assert has_grown(growth(samples(400, end_mb))) is grown


def test_a_function_that_ran_only_at_first_has_not_grown() -> None:
    assert growth([{"Sweeper": MB}, *([{}] * 19)]) == {}


@pytest.mark.parametrize(
    ("status", "failed"),
    [("200", 0), ("202", 0), ("304", 0), ("429", 0), ("400", 1), ("404", 1), ("500", 1), ("503", 1), ("Timeout", 1)],
)
def test_only_a_limit_may_refuse(status: str, failed: int) -> None:
    log = Log()
    log.add("GET /me", "200", 0.01)
    log.add("GET /me", status, 0.01)
    assert log.failed() == failed


def test_the_report_has_percentiles_by_route_and_what_failed() -> None:
    log = Log()
    for milliseconds in range(1, 101):
        log.add("GET /me", "200", milliseconds / 1000)
    log.add("POST /generate", "503", 2.0)
    assert report(log, {"Generator": (400 * MB, 404 * MB)}).splitlines() == [
        "| route | requests | p50 ms | p99 ms | statuses |",
        "| --- | --- | --- | --- | --- |",
        "| GET /me | 100 | 50 | 100 | 100 x 200 |",
        "| POST /generate | 1 | 2000 | 2000 | 1 x 503 |",
        "",
        "| function | MB at first | MB at the end | growth |",
        "| --- | --- | --- | --- |",
        "| Generator | 400 | 404 | +1.0% |",
        "",
        "1 of 101 requests failed",
    ]
