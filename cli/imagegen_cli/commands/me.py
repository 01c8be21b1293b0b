"""`imagegen me`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.access_documents import Identity, TenantLimits


def me(profile: options.ProfileName = None, timeout: options.Timeout = None, as_json: options.AsJson = False) -> None:
    """Show your tenant and its limits, and the roles and scopes of your key or token."""
    from imagegen_cli.access import identity
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = identity(client)
    show(as_json, answer.raw, lambda: _text(answer.value))


def _text(found: Identity) -> str:
    return "\n".join(
        [
            f"tenant     {found.tenant}",
            f"principal  {found.principal}",
            f"roles      {', '.join(found.roles)}",
            f"scopes     {', '.join(found.scopes)}",
            *_limits(found.limits),
        ]
    )


def _limits(limits: TenantLimits) -> list[str]:
    """A line per limit, and none for what has no limit."""
    lines = [
        f"rate       {each.route_class}: {each.per_second:g} a second, {each.burst} at once" for each in limits.rates
    ]
    monthly = [
        *([] if limits.monthly_images is None else [f"{limits.images_left} of {limits.monthly_images} images"]),
        *([] if limits.monthly_usd is None else [f"${limits.usd_left} of ${limits.monthly_usd}"]),
    ]
    lines += [f"left       {' and '.join(monthly)}, until {limits.resets_at}"] if monthly else []
    lines += [f"request    ${limits.usd_per_request} at most"] if limits.usd_per_request is not None else []
    return lines + ([f"jobs       {limits.unfinished_jobs} unfinished"] if limits.unfinished_jobs is not None else [])
