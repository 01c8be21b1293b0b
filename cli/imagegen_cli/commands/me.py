"""`imagegen me`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.access_documents import Identity


def me(profile: options.ProfileName = None, timeout: options.Timeout = None, as_json: options.AsJson = False) -> None:
    """Show your tenant, and the roles and scopes of your key or token."""
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
        ]
    )
