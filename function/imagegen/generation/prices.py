"""AWS list prices by region, with their date and their pages: what receipts are computed from. Pure.

The command line has the same figures in its own file (cli/imagegen_cli/cost/prices.json); a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

NOTED: Final = "2026-11-27"
"""When the prices were noted, from the pages below: on demand, in US dollars, without tax and without free tier."""
PAGES: Final = {
    "Lambda": "https://aws.amazon.com/lambda/pricing/",
    "API Gateway": "https://aws.amazon.com/api-gateway/pricing/",
    "SQS": "https://aws.amazon.com/sqs/pricing/",
    "DynamoDB": "https://aws.amazon.com/dynamodb/pricing/",
    "S3": "https://aws.amazon.com/s3/pricing/",
}
FALLBACK: Final = "us-east-1"
"""The region whose prices stand in for those of a region that the table lacks."""


@dataclass(frozen=True)
class ComputePrices:
    """Lambda's prices per GB-second.

    An environment with provisioned concurrency costs `kept` all the time, and `in_kept` while it runs.
    """

    on_demand: Decimal
    kept: Decimal
    in_kept: Decimal


@dataclass(frozen=True)
class Prices:
    """The prices of one region: Lambda's compute by instruction set, and those of one request, write unit or GB-month.

    `api_gateway_request` is that of a REST API, `sqs_request` that of a standard queue.
    """

    region: str
    compute: tuple[ComputePrices, ...]
    lambda_request: Decimal
    api_gateway_request: Decimal
    sqs_request: Decimal
    dynamodb_write: Decimal
    s3_put: Decimal
    s3_gb_month: Decimal

    def compute_at(self, usd_per_gb_second: Decimal) -> ComputePrices | None:
        """Return the compute prices of the instruction set that costs this on demand; None for an owner's own price."""
        return next((each for each in self.compute if each.on_demand == usd_per_gb_second), None)


_X86: Final = ComputePrices(Decimal("0.0000166667"), kept=Decimal("0.0000041667"), in_kept=Decimal("0.0000097222"))
_ARM: Final = ComputePrices(Decimal("0.0000133334"), kept=Decimal("0.0000033334"), in_kept=Decimal("0.0000077778"))
_MILLION: Final = 1_000_000
PRICES: Final = {
    region: Prices(
        region=region,
        compute=(_X86, _ARM),
        lambda_request=Decimal("0.2") / _MILLION,
        api_gateway_request=Decimal("3.5") / _MILLION,
        sqs_request=Decimal("0.4") / _MILLION,
        dynamodb_write=Decimal("0.625") / _MILLION,
        s3_put=Decimal("0.005") / 1000,
        s3_gb_month=Decimal("0.023"),
    )
    for region in ("us-east-1", "us-east-2", "us-west-2")
}
"""Three regions with the same prices."""


def prices_of(region: str) -> Prices:
    """Return the region's prices, or those of FALLBACK, which `Prices.region` then says."""
    return PRICES.get(region, PRICES[FALLBACK])
