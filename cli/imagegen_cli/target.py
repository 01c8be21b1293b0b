"""Which deployment a command calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from imagegen_cli.credential import api_key, token
from imagegen_cli.environment import Environment
from imagegen_cli.failure import usage
from imagegen_cli.profile import Profile, is_loopback, make_profile
from imagegen_cli.profile_file import ProfileFile

_LOCAL_STACK: Final = Path(".local", "endpoint.json")
"""Written by `make serve` in its repository while it runs."""
_NONE = """No deployment is configured. Choose one:
  imagegen profile add NAME URL    asks for the API key and keeps both
  IMAGEGEN_URL, IMAGEGEN_API_KEY   environment variables, for scripts (or IMAGEGEN_TOKEN)
  make serve                       the local stack, in a checkout of the repository"""


_HALF: Final = "{given} is set, but {missing} is not: set both, or neither and use a profile."


def target(name: str | None, environment: Environment, folder: Path) -> Profile:
    """Return the deployment: the first of `--profile`, the variables, the selected profile, and the local stack.

    Raises Failure (usage).
    """
    file = ProfileFile(environment.config_file)
    if name is not None:
        return file.find(name)
    if environment.url or environment.api_key or environment.token:
        return _of_variables(environment)
    if environment.profile:
        return file.find(environment.profile)
    profiles = file.read()
    chosen = profiles.all[profiles.selected] if profiles.selected else _local_stack(folder)
    if chosen is None:
        raise usage(_NONE)
    return chosen


def _of_variables(environment: Environment) -> Profile:
    given = {
        "IMAGEGEN_API_KEY": environment.api_key and api_key(environment.api_key),
        "IMAGEGEN_TOKEN": environment.token and token(environment.token),
    }
    credentials = {name: credential for name, credential in given.items() if credential}
    if len(credentials) > 1:
        raise usage(f"{' and '.join(credentials)} are set: a request has one credential. Unset one of them.")
    if not environment.url:
        raise usage(_HALF.format(given=next(iter(credentials)), missing="IMAGEGEN_URL"))
    if not credentials:
        half = _HALF.format(given="IMAGEGEN_URL", missing="IMAGEGEN_API_KEY")
        raise usage(f"{half} IMAGEGEN_TOKEN may have a token instead.")
    ((name, credential),) = credentials.items()
    return make_profile(None, environment.url, credential, f"IMAGEGEN_URL, {name}")


def _local_stack(folder: Path) -> Profile | None:
    """The file of the nearest checkout. Only for this machine: no other folder may choose where prompts are sent."""
    files = (each / _LOCAL_STACK for each in (folder, *folder.parents))
    file = next((each for each in files if each.is_file()), None)
    if file is None:
        return None
    try:
        match json.loads(file.read_text()):
            case {"base_url": str(url), "api_key": str(value)} if is_loopback(url):
                return make_profile(None, url, api_key(value), str(file))
    except (OSError, ValueError):
        return None  # `make serve` is just writing it, or was killed
    return None
