"""`imagegen upload`."""

from __future__ import annotations

from imagegen_cli import options


def upload(
    file: options.PictureArgument,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> None:
    """Upload a picture and print its id, which requests of your tenant can use for a day."""
    from imagegen_cli.home import expanded
    from imagegen_cli.output import note, show
    from imagegen_cli.picture_file import look_at
    from imagegen_cli.session import chosen_profile, session
    from imagegen_cli.uploads import upload

    picture = look_at(expanded(file))
    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        form = upload(client, picture)
    document = {"id": form.id, "content_type": picture.content_type, "bytes": picture.size}
    show(as_json, document | {"usable_until": form.usable_until}, lambda: form.id)
    note(as_json, f"It can be used until {form.usable_until}.")
