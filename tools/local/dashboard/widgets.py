"""The body of a CloudWatch dashboard, as far as this template uses it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.local.template import Template


@dataclass(frozen=True)
class Line:
    """One metric of a chart. `stat` is CloudWatch's, such as Sum or p95."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    stat: str
    label: str


@dataclass(frozen=True)
class Widget:
    """A heading, a chart or a table, with its place in the grid. `limit` is where the chart shows an alarm's threshold.

    `computed` tells that the chart has a line of metric math, which only CloudWatch evaluates.
    """

    kind: str
    title: str
    x: int
    y: int
    width: int
    height: int
    lines: tuple[Line, ...] = ()
    limit: float | None = None
    stacked: bool = False
    computed: bool = False


def widgets_of_template(template: Template, values: Mapping[str, str]) -> list[Widget]:
    """Return the widgets of the translated template's dashboard. Parameters not in `values` have their defaults.

    Names of resources, which only a deployment has, stay as they are.
    """
    defaults = {name: str(each["Default"]) for name, each in template["Parameters"].items()}
    (body, _) = template["Resources"]["MonitoringDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    known = {**defaults, **values}
    return widgets(re.sub(r"\$\{([\w:]+)\}", lambda found: known.get(found[1], found[0]), body))


def widgets(body: str) -> list[Widget]:
    """Return the widgets of a dashboard's body."""
    return [_widget(each) for each in json.loads(body)["widgets"]]


def _widget(given: Mapping[str, Any]) -> Widget:
    properties = given["properties"]
    title = properties.get("title") or properties["markdown"].removeprefix("## ")
    entries = properties.get("metrics", [])
    limits = properties.get("annotations", {}).get("horizontal", [])
    place = {name: given[name] for name in ("x", "y", "width", "height")}
    return Widget(
        kind=given["type"],
        title=title,
        **place,
        lines=tuple(_lines(entries, properties.get("stat", "Average"))),
        limit=float(limits[0]["value"]) if limits else None,
        stacked=properties.get("stacked", False),
        computed=any(isinstance(entry[0], dict) for entry in entries),
    )


def _lines(entries: list[list[Any]], stat: str) -> Iterator[Line]:
    for entry in entries:
        if isinstance(entry[0], dict):
            continue
        options = entry[-1] if isinstance(entry[-1], dict) else {}
        if options.get("visible", True):
            texts = [part for part in entry if isinstance(part, str)]
            dimensions = frozenset(zip(texts[2::2], texts[3::2], strict=True))
            yield Line(texts[0], texts[1], dimensions, options.get("stat", stat), options.get("label", texts[1]))
