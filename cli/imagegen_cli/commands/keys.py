"""`imagegen keys`: API keys of a tenant, for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.access_documents import Key, NewKey

app = typer.Typer(help="Manage API keys. Needs the role operator.")
_ONCE = "The service does not show this key again."


@app.command()
def create(
    tenant: options.Tenant = None,
    name: options.KeyName = None,
    role: options.Roles = None,
    scope: options.Scopes = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Create a key and show it, once. A tenant that does not exist is created."""
    from imagegen_cli.access import create_key
    from imagegen_cli.output import note, show
    from imagegen_cli.session import chosen_profile, session

    chosen = chosen_profile(profile)
    with session(chosen, as_json, timeout) as (client, _):
        answer = create_key(client, chosen, {"tenant": tenant, "name": name, "roles": role, "scopes": scope})
    show(as_json, answer.raw, lambda: _new_key(answer.value))
    note(as_json, _ONCE)


@app.command(name="list")
def list_keys(
    tenant: options.Tenant = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """List a tenant's keys without their values, the oldest first."""
    from imagegen_cli.access import keys
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = keys(client, tenant)
    show(as_json, answer.raw, lambda: _table(answer.value.keys) if answer.value.keys else "No keys.")


@app.command()
def rotate(
    key_id: options.KeyId,
    tenant: options.Tenant = None,
    overlap_seconds: options.Overlap = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Replace a key and show the new one, once. The old one ends after the overlap."""
    from imagegen_cli.access import rotate_key
    from imagegen_cli.output import note, show
    from imagegen_cli.session import chosen_profile, session

    chosen = chosen_profile(profile)
    with session(chosen, as_json, timeout) as (client, _):
        answer = rotate_key(client, chosen, key_id, {"tenant": tenant, "overlap_seconds": overlap_seconds})
    show(as_json, answer.raw, lambda: _new_key(answer.value))
    note(as_json, _ONCE)


@app.command()
def revoke(
    key_id: options.KeyId,
    tenant: options.Tenant = None,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """End a key at once. It may be repeated."""
    from imagegen_cli.access import revoke_key
    from imagegen_cli.output import show
    from imagegen_cli.session import chosen_profile, session

    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        revoke_key(client, key_id, tenant)
    show(as_json, {"revoked": key_id}, lambda: f"{key_id} is revoked.")


def _new_key(made: NewKey) -> str:
    return "\n".join(
        [
            made.key,
            f"  id       {made.id}",
            f"  tenant   {made.tenant}",
            f"  name     {made.name}",
            f"  roles    {', '.join(made.roles)}",
            f"  scopes   {', '.join(made.scopes)}",
        ]
    )


def _table(listed: list[Key]) -> str:
    from imagegen_cli.output import table

    columns = ("KEY", "NAME", "ROLES", "SCOPES", "CREATED", "ENDS", "REPLACED BY")
    rows = [
        (
            key.id,
            key.name,
            ", ".join(key.roles),
            ", ".join(key.scopes),
            key.created_at,
            key.ends_at or "",
            key.replaced_by or "",
        )
        for key in listed
    ]
    return table(columns, rows)
