"""Selection of cases."""

from __future__ import annotations

from tools.bench import cases


def test_bfloat16_cases_are_included_only_on_request() -> None:
    names = {case.id for case in cases.one_round(bfloat16=False, quick=False)}
    assert not names & {cases.BF16.id, cases.READY_BF16.id, cases.ONE_THREAD_BF16.id, cases.DEMO_BF16.id}
    assert cases.BF16 in cases.one_round(bfloat16=True, quick=True)
