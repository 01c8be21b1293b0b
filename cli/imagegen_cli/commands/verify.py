"""`imagegen verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imagegen_cli import options
from imagegen_cli.exit_code import ExitCode

if TYPE_CHECKING:
    from imagegen_cli.documents import Provenance

_WORDS: Final = {
    "trusted": "trusted: signed with a certificate of an authority that the deployment trusts",
    "valid": "valid: unchanged since it was signed; the deployment trusts no authority that knows the signer",
    "invalid": "invalid: changed since it was signed, or signed wrongly",
    "not_present": "no content credentials, which says nothing about the picture",
}


def verify(
    file: options.PictureArgument,
    profile: options.ProfileName = None,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
) -> int:
    """Check a picture's content credentials (C2PA): who signed it, which model made it, and whether it was changed.

    The exit code is 0 if it is trusted or valid, 13 without credentials, and 14 if they are invalid.
    """
    from imagegen_cli.home import expanded
    from imagegen_cli.output import show
    from imagegen_cli.picture_file import look_at
    from imagegen_cli.session import chosen_profile, session

    picture = look_at(expanded(file))
    with session(chosen_profile(profile), as_json, timeout) as (client, _):
        answer = client.verify(picture.content_type, picture.read())
    found = answer.value.results[0]
    show(as_json, answer.raw, lambda: _text(found))
    ends = {"invalid": ExitCode.INVALID, "not_present": ExitCode.NOT_PRESENT}
    return ends.get(found.validation_state, ExitCode.OK)


def _text(found: Provenance) -> str:
    said = {"issuer": found.issuer, "model": found.model, "generated": found.generated_at}
    lines = [f"{name:9}  {value}" for name, value in said.items() if value is not None]
    return "\n".join([_WORDS[found.validation_state], *lines])
