"""Which deployment a command calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from imagegen_cli.environment import Environment
from imagegen_cli.failure import usage
from imagegen_cli.profile import Profile, is_loopback, make_profile
from imagegen_cli.profile_file import ProfileFile

_LOCAL_STACK: Final = Path(".local", "endpoint.json")
"""Written by `make serve` in its repository while it runs."""
_NONE = """No deployment is configured. Choose one:
  imagegen profile add NAME URL    asks for the API key and keeps both
  IMAGEGEN_URL, IMAGEGEN_API_KEY   environment variables, for scripts
  make serve                       the local stack, in a checkout of the repository"""


def target(name: str | None, environment: Environment, folder: Path) -> Profile:
    """Return the deployment: the first of `--profile`, the variables, the selected profile, and the local stack.

    Raises Failure (usage).
    """
    file = ProfileFile(environment.config_file)
    if name is not None:
        return file.find(name)
    if environment.url or environment.api_key:
        return _of_variables(environment)
    if environment.profile:
        return file.find(environment.profile)
    profiles = file.read()
    chosen = profiles.all[profiles.selected] if profiles.selected else _local_stack(folder)
    if chosen is None:
        raise usage(_NONE)
    return chosen


def _of_variables(environment: Environment) -> Profile:
    if not environment.url or not environment.api_key:
        given, missing = (
            ("IMAGEGEN_URL", "IMAGEGEN_API_KEY") if environment.url else ("IMAGEGEN_API_KEY", "IMAGEGEN_URL")
        )
        raise usage(f"{given} is set, but {missing} is not: set both, or neither and use a profile.")
    return make_profile(None, environment.url, environment.api_key, "IMAGEGEN_URL, IMAGEGEN_API_KEY")


def _local_stack(folder: Path) -> Profile | None:
    """The file of the nearest checkout. Only for this machine: no other folder may choose where prompts are sent."""
    files = (each / _LOCAL_STACK for each in (folder, *folder.parents))
    file = next((each for each in files if each.is_file()), None)
    if file is None:
        return None
    try:
        match json.loads(file.read_text()):
            case {"base_url": str(url), "api_key": str(api_key)} if is_loopback(url):
                return make_profile(None, url, api_key, str(file))
    except (OSError, ValueError):
        return None  # `make serve` is just writing it, or was killed
    return None
