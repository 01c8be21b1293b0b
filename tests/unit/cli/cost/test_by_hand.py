"""Bills computed by hand, in steps that a pocket calculator can follow, against the command's.

List prices of us-east-1: Lambda 0.0000166667 a GB-second; provisioned 0.0000041667, and 0.0000097222 while it draws.
An image of 512 x 512 has 786,432 bytes at most. What an image costs besides drawing, on the stack:

    API Gateway          3.50 / million                                0.000 003 500
    Lambda requests      2 x 0.20 / million                            0.000 000 400
    DynamoDB             18 x 0.625 / million                          0.000 011 250
    S3 PUT               2 x 0.005 / thousand                          0.000 010 000
    X-Ray                5 / million                                   0.000 005 000
    S3, seven days       0.000786432 GB x 168 / 730 h x 0.023          0.000 004 163
    S3 GET               0.0004 / thousand                             0.000 000 400
    transfer             0.000786432 GB x 0.09                         0.000 070 779
                                                                       -------------
                                                                       0.000 105 492

The idle stack: 0.7776 + 0.2160 + 0.1244 + 0.0086 + 0.0432 + 0.0648 + 0.0085 + 0.0520 + 10 alarm metrics 1.0000
+ dashboard 3.0000 = 5.2951.
"""

from __future__ import annotations

import pytest

from tests.unit.cli.cost.conftest import Cost, between, monthly

WITHIN = 0.001
"""A tenth of the promised percent: only the rounding of the sums above is in it."""


def close(usd: float) -> object:
    return pytest.approx(usd, rel=WITHIN)


def test_sd_turbo_on_demand(cost: Cost) -> None:
    # 1.24 + 2 x 4.34 = 9.92 s;  100,000 x 9.92 x 10 GB = 9,920,000 GB-s x 0.0000166667 = 165.334
    # besides: 100,000 x 0.000105492 = 10.549;  idle 5.295;  an image every 26 s, so none is cold
    # 165.334 + 10.549 + 5.295 = 181.178
    assert monthly(cost("--images", "100000"), "lambda") == close(181.178)


def test_sd_turbo_with_provisioned_concurrency(cost: Cost) -> None:
    # kept: 730 x 3600 s x 10 GB = 26,280,000 GB-s x 0.0000041667 = 109.501
    # 100,000 x 9.92 s = 992,000 s of 2,628,000 s: one environment draws them all
    # drawing: 9,920,000 GB-s x 0.0000097222 = 96.444
    # 109.501 + 96.444 + 10.549 + 5.295 = 221.789
    assert monthly(cost("--images", "100000"), "lambda-provisioned") == close(221.789)


def test_more_images_than_the_provisioned_environment_can_draw(cost: Cost) -> None:
    # it draws all month: 2,628,000 s x 10 GB x 0.0000097222 = 255.499, and is kept for 109.501
    # 500,000 x 9.92 = 4,960,000 s; beyond it 2,332,000 s x 10 GB x 0.0000166667 = 388.667
    # besides 500,000 x 0.000105492 = 52.746;  idle 5.295
    # 255.499 + 109.501 + 388.667 + 52.746 + 5.295 = 811.708
    assert monthly(cost("--images", "500000"), "lambda-provisioned") == close(811.708)


def test_provisioned_only_during_office_hours(cost: Cost) -> None:
    # kept: 2 x 160 x 3600 s x 10 GB = 11,520,000 GB-s x 0.0000041667 = 48.000
    # 10,000 x 9.92 x 10 = 992,000 GB-s x 0.0000097222 = 9.644;  besides 1.055;  idle 5.295
    # 48.000 + 9.644 + 1.055 + 5.295 = 63.994
    document = cost("--images", "10000", "--provisioned", "2", "--active-hours", "160")
    assert monthly(document, "lambda-provisioned") == close(63.994)


def test_cold_starts_of_a_quiet_stack(cost: Cost) -> None:
    # bfloat16, guidance: 0.34 + 20 x 2 x 1.24 = 49.94 s;  4,608 MB are 4.5 GB and 2.6 vCPU
    # 10,000 images in 2,628,000 s; in 600 s 2.2831 arrive; none does with e^-2.2831 = 0.10197
    # (49.94 + 0.10197 x 4.36) x 10,000 x 4.5 GB = 2,267,306 GB-s x 0.0000166667 = 37.788
    # besides 1.055;  idle 5.295;  37.788 + 1.055 + 5.295 = 44.138
    document = cost("--model", "sd-1.5", "--cpu", "bfloat16", "--memory", "4608")
    assert monthly(document, "lambda") == close(44.138)
    assert document["cold_start_share"] == pytest.approx(0.10197, rel=1e-3)


def test_a_function_with_fewer_processors_than_were_measured_on(cost: Cost) -> None:
    # demo: 0.045 + 10 x 0.008 = 0.125 s on 2 vCPU; 1,024 MB have 1024 / 1769 = 0.57886, so 0.125 x 3.45508 = 0.43188 s
    # 1,000,000 x 0.43188 x 1 GB = 431,885 GB-s x 0.0000166667 = 7.198
    # 128 x 128 x 3 = 49,152 bytes, 49.152 GB: transfer 4.424, S3 49.152 x 168 / 730 x 0.023 = 0.260
    # gateway 3.50 + requests 0.40 + DynamoDB 11.25 + PUT 10.00 + X-Ray 5.00 + GET 0.40 = 30.55;  idle 5.295
    # 7.198 + 4.424 + 0.260 + 30.550 + 5.295 = 47.727
    document = cost("--model", "demo", "--memory", "1024", "--images", "1000000")
    assert monthly(document, "lambda") == close(47.727)


def test_the_free_tier(cost: Cost) -> None:
    # as above, idle included, less 400,000 GB-s, a million requests, 100,000 traces, a million polls, 100 GB
    # Lambda: 431,885 + 7,463 - 400,000 = 39,348 GB-s x 0.0000166667 = 0.656
    # requests: 2 + 0.0432 - 1 = 1.0432 x 0.20 = 0.209;  X-Ray: 1 + 0.0432 - 0.1 = 0.9432 x 5 = 4.716
    # SQS: 1.944 - 1 = 0.944 x 0.40 = 0.378;  transfer, log and schedule: 0
    # gateway 3.50, DynamoDB 11.25 + 0.065, S3 10.00 + 0.40 + 0.260, ECR 0.052 = 25.527
    # 0.656 + 0.209 + 4.716 + 0.378 + 25.527 = 31.486
    document = cost("--model", "demo", "--memory", "1024", "--images", "1000000", "--free-tier")
    assert monthly(document, "lambda") == close(31.486)


def test_lambda_s_free_tier_is_not_for_provisioned_concurrency(cost: Cost) -> None:
    # kept: 26,280,000 GB-s x 0.0000041667 = 109.501; the free GB-seconds and requests go to the idle stack alone
    # drawing 1,000 x 9.92 x 10 = 99,200 GB-s x 0.0000097222 = 0.964
    # requests 2,000 x 0.0000002 = 0.0004;  gateway 0.0035, DynamoDB 0.01125, PUT 0.01, S3 0.004, GET 0.0004
    # X-Ray and transfer free;  idle after the free tier 0.3776 + 0.0648 + 0.0520 = 0.494
    # 109.501 + 0.964 + 0.030 + 0.494 = 110.989
    assert monthly(cost("--images", "1000", "--free-tier"), "lambda-provisioned") == close(110.989)


def test_managed_instances(cost: Cost) -> None:
    # 730 h x 0.8048 = 587.504, and 15 % of it 88.126;  besides 10.549;  idle 5.295
    # 587.504 + 88.126 + 10.549 + 5.295 = 691.474
    assert monthly(cost("--images", "100000"), "lambda-gpu") == close(691.474)


def test_as_many_servers_as_the_busiest_hour_needs(cost: Cost) -> None:
    # 2,000,000 in 200 h are 2.7778 a second, 5.5556 in the busiest hour; x 1.5 s = 8.33, so nine servers
    # 9 x 730 x 0.8048 = 5,287.536;  disks 9 x 100 x 0.08 = 72.000;  PUT 10.000
    # 1,572.864 GB: transfer 141.558, S3 1,572.864 x 168 / 730 x 0.023 = 8.325;  GET 0.800
    # 5,287.536 + 72.000 + 10.000 + 141.558 + 8.325 + 0.800 = 5,520.219
    document = cost("--images", "2000000", "--active-hours", "200", "--peak", "2")
    assert monthly(document, "gpu-server") == close(5520.219)


def test_the_hosted_api_is_billed_by_steps(cost: Cost) -> None:
    # 0.0019 for 30 steps, so 0.0012667 for 20;  50,000 x 0.0012667 = 63.333
    assert monthly(cost("--images", "50000", "--model", "sd-1.5"), "hosted-api") == close(63.333)
    # a distilled model's two steps are no use there: 0.0019 each
    assert monthly(cost("--images", "50000"), "hosted-api") == close(95.0)


def test_another_size_is_scaled_by_pixels(cost: Cost) -> None:
    # 768 x 768 has 2.25 times the pixels: (1.24 + 2 x 4.34) x 2.25 = 22.32 s
    assert cost("--width", "768", "--height", "768")["seconds_per_image"]["cpu"] == close(22.32)


def test_your_own_step_time_replaces_the_measured_one(cost: Cost) -> None:
    # 1.24 + 2 x 1.5 = 4.24 s
    assert cost("--step-seconds", "1.5")["seconds_per_image"]["cpu"] == close(4.24)


def test_break_even_with_a_server(cost: Cost) -> None:
    # on demand: 5.2951 + n x (0.00165334 + 0.000105492);  server: 587.504 + 8.000 = 595.504 + n x
    # (0.000005 for PUT + 0.000004163 + 0.0000004 + 0.000070779 = 0.000080342)
    # n = (595.504 - 5.2951) / (0.001758832 - 0.000080342) = 590.209 / 0.00167849 = 351,631
    assert between(cost(), "lambda", "gpu-server") == close(351_631)


def test_break_even_with_provisioned_concurrency(cost: Cost) -> None:
    # it saves (0.0000166667 - 0.0000097222) x 10 GB x 9.92 s = 0.00068889 an image: 109.501 / 0.00068889 = 158,952
    assert between(cost(), "lambda", "lambda-provisioned") == close(158_952)


def test_break_even_does_not_depend_on_the_month_that_is_asked_for(cost: Cost) -> None:
    assert cost("--images", "1")["break_even"] == cost("--images", "9999999")["break_even"]


def test_idle(cost: Cost) -> None:
    # SQS 1,944,000 x 0.40 / million = 0.7776;  X-Ray 43,200 x 5 / million = 0.2160;  Lambda 7,463 GB-s = 0.1244
    # its requests 0.0086;  schedule 0.0432;  DynamoDB 518,400 x 0.125 = 0.0648;  log 0.017 x 0.5 = 0.0085;  ECR 0.0520
    # alarm metrics 10 x 0.10 = 1.00;  dashboard 3.00:  5.2951
    # after the free tier: polls 944,000 = 0.3776, DynamoDB 0.0648, ECR 0.0520:  0.4944
    # ten alarm metrics and three dashboards are free
    document = cost("--idle")
    assert document["list_usd"] == close(5.2951)
    assert document["usd_after_free_tier"] == close(0.4944)
    assert document["usd_after_free_tier"] <= 0.50
