"""`imagegen usage`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.access_documents import Usage


def usage(
    first: options.FromMonth = None,
    last: options.ToMonth = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what your tenant has used, by month and model: images, seconds and dollars."""
    from imagegen_cli.access import used
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = used(client, first, last)
    show(as_json, answer.raw, lambda: _table(answer.value) if answer.value.usage else "No usage.")


def _table(used: Usage) -> str:
    from imagegen_cli.output import table

    rows = [(each.month, each.model, *each.sums()) for each in used.usage]
    return table(("MONTH", "MODEL", "IMAGES", "SECONDS", "COST"), [*rows, ("total", "", *used.sums())])
