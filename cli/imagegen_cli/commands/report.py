"""`imagegen report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.monthly_report import MonthlyReport


def report(
    months: options.Months = None,
    as_csv: options.AsCsv = False,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what every tenant has used, by month and model. Needs the role operator."""
    from imagegen_cli.access import reported
    from imagegen_cli.failure import usage
    from imagegen_cli.monthly_report import MonthlyReport
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    if as_csv and as_json:
        raise usage("--csv and --json: choose one of them.")
    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        found = MonthlyReport.of(reported(client, months or []))
    show(as_json, found.document(), found.csv if as_csv else lambda: _table(found))


def _table(found: MonthlyReport) -> str:
    from imagegen_cli.output import table

    if not found.rows:
        return "No usage."
    rows = [(each.tenant, each.month, each.model, *each.sums()) for each in found.rows]
    columns = ("TENANT", "MONTH", "MODEL", "IMAGES", "SECONDS", "COST")
    return table(columns, [*rows, ("total", "", "", *found.total.sums())])
