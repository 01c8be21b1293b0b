"""What the command line reads from its environment. No other module of it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Environment:
    """The variables; an empty one counts as unset."""

    config_file: Path
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    profile: str | None = None


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """Return the variables IMAGEGEN_*, and the path of the profiles (XDG_CONFIG_HOME)."""
    return Environment(
        config_file=_config_home(variables) / "imagegen" / "config.toml",
        url=variables.get("IMAGEGEN_URL") or None,
        api_key=variables.get("IMAGEGEN_API_KEY") or None,
        token=variables.get("IMAGEGEN_TOKEN") or None,
        profile=variables.get("IMAGEGEN_PROFILE") or None,
    )


def _config_home(variables: Mapping[str, str]) -> Path:
    """The XDG base directory specification ignores relative paths."""
    given = Path(variables.get("XDG_CONFIG_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".config"
