"""Prices: a dated file, and the bill of a list of quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imagegen_cli.failure import usage

OWN_FILE: Final = Path(__file__).with_name("prices.json")
HOSTED: Final = "hosted_images"
"""The meter of a hosted API. Its price is that of one image of the workload."""
_INSTANCES: Final = "ec2_{}_hours"

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Meter(_Entry):
    """What a price is for. `free_per_month` is the always-free tier, in the same unit."""

    unit: str
    free_per_month: Usd
    page: str


class Hosted(_Entry):
    """Price list of a hosted API: for an architecture, (pixels at most, USD per image of `steps` steps)."""

    provider: str
    page: str
    noted: str
    steps: int
    usd_per_image: Mapping[str, Sequence[tuple[int, Usd]]]

    def usd_of(self, architecture: str, pixels: int, steps: int) -> float | None:
        """Return the price of an image, in proportion to its steps, or None if the list has none for its size."""
        sizes = self.usd_per_image.get(architecture, ())
        usd = min((usd for most, usd in sizes if pixels <= most), default=None)
        return None if usd is None else usd * steps / self.steps


class PriceList(_Entry):
    """A file of prices. All regions have a price for every meter."""

    noted: str
    currency: str
    pages: Mapping[str, str]
    meters: Mapping[str, Meter]
    regions: Mapping[str, Mapping[str, Usd]]
    managed_instances_fee: Usd
    hosted: Hosted

    @model_validator(mode="after")
    def _complete(self) -> PriceList:
        for region, prices in self.regions.items():
            if odd := set(prices) ^ set(self.meters):
                raise ValueError(f"{region} and the meters differ: {', '.join(sorted(odd))}")
        return self

    def tariff(self, region: str) -> Tariff:
        """Return the region's prices. Raises Failure for one that the file does not have."""
        if region not in self.regions:
            raise usage(
                f"--region: no prices for {region!r}; there are some for {', '.join(self.regions)}. "
                "For another region, pass a file of your own as --prices."
            )
        return Tariff(self, region, self.regions[region])


@dataclass(frozen=True)
class Line:
    """A quantity to pay for, in the unit of its meter. `has_free_tier` is false where AWS does not grant it."""

    what: str
    meter: str
    quantity: float
    has_free_tier: bool = True


@dataclass(frozen=True)
class Charge:
    """A line of a bill. `usd` is what is left to pay after the free tier, if that was asked for."""

    what: str
    quantity: float
    unit: str
    usd_per_unit: float
    usd: float

    @property
    def list_usd(self) -> float:
        """Return the price without a free tier."""
        return self.quantity * self.usd_per_unit


@dataclass(frozen=True)
class Tariff:
    """The prices of one region."""

    source: PriceList
    region: str
    usd: Mapping[str, float]
    usd_per_hosted_image: float | None = None

    def with_hosted(self, usd: float | None) -> Tariff:
        """Return the same prices with that of a hosted image."""
        return replace(self, usd_per_hosted_image=usd)

    @property
    def instances(self) -> tuple[str, ...]:
        """Return the GPU instance types that have a price."""
        start, end = _INSTANCES.split("{}")
        return tuple(each.removeprefix(start).removesuffix(end) for each in self.usd if each.startswith(start))

    def hours_of(self, instance: str) -> str:
        """Return the meter of an instance type. Raises Failure if it has no price."""
        if instance not in self.instances:
            raise usage(f"--gpu: no price for {instance!r}; there are prices for {', '.join(self.instances)}.")
        return _INSTANCES.format(instance)

    def bill(self, lines: Sequence[Line], free_tier: bool) -> tuple[Charge, ...]:
        """Return the charges of the lines. With `free_tier`, the first lines of a meter use up what is free."""
        left = {name: each.free_per_month for name, each in self.source.meters.items()} if free_tier else {}
        charges = []
        for line in lines:
            free = min(left.get(line.meter, 0.0), line.quantity) if line.has_free_tier else 0.0
            left[line.meter] = left.get(line.meter, 0.0) - free
            unit, price = self._unit_price(line.meter)
            charges.append(Charge(line.what, line.quantity, unit, price, (line.quantity - free) * price))
        return tuple(charges)

    def _unit_price(self, meter: str) -> tuple[str, float]:
        if meter == HOSTED:
            return "images", self.usd_per_hosted_image or 0.0
        return self.source.meters[meter].unit, self.usd[meter]


def read_prices(path: Path | None) -> PriceList:
    """Return the prices of a file, or of the one that the package has. Raises Failure."""
    try:
        return PriceList.model_validate_json((path or OWN_FILE).read_bytes())
    except OSError as error:
        raise usage(f"--prices: {path} cannot be read: {error.strerror}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise usage(
            f"--prices: {path} is no file of prices: {where}: {first['msg']}. Its form is that of {OWN_FILE}."
        ) from None
