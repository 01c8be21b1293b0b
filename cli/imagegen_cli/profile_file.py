"""The file of profiles: TOML, readable by its owner only.

Not covered: two commands that change it at the same moment. The file stays whole, and the later one wins.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from imagegen_cli.credential import Kind, api_key, token
from imagegen_cli.exit_code import ExitCode
from imagegen_cli.failure import Failure, usage
from imagegen_cli.profile import Profile, make_profile, require_name
from imagegen_cli.whole_file import whole_file

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Profiles:
    """What the file holds; `selected` is the name of one of `all`, or None."""

    selected: str | None
    all: dict[str, Profile]


class ProfileFile:
    """Reads and changes the file. Comments, and keys of later versions, stay. Every method raises Failure."""

    def __init__(self, path: Path):
        self.path = path

    def read(self) -> Profiles:
        """Return the profiles, none if the file does not exist."""
        match {"selected": "", "profiles": {}} | self._parsed(self._text()):
            case {"selected": str(selected), "profiles": dict(tables)}:
                profiles = {name: self._profile(name, table) for name, table in tables.items()}
                return Profiles(selected if selected in profiles else None, profiles)
        raise usage(f"{self.path}: selected must be a string, and profiles a table.")

    def find(self, name: str) -> Profile:
        """Return the profile of this name."""
        profiles = self.read().all
        if name not in profiles:
            raise usage(f"{self.path} has no profile {name!r}. It has: {', '.join(profiles) or 'none'}.")
        return profiles[name]

    def require_free(self, name: str, replace: bool) -> None:
        """Check the name before the caller types a key. `replace` allows that of an existing profile."""
        require_name(name)
        if name in self.read().all and not replace:
            raise usage(f"The profile {name!r} exists. --replace overwrites its URL and its key or token.")

    def add(self, profile: Profile) -> None:
        """Write the profile, over one of the same name, and select it if none is."""
        before = self.read()
        with self._changing() as document:
            table = document.setdefault("profiles", {}).setdefault(profile.name, {})
            for kind in Kind:
                table.pop(kind.value, None)
            table.update({"url": profile.url, profile.credential.kind.value: profile.credential.value})
            if before.selected is None:
                document["selected"] = profile.name

    def select(self, name: str) -> None:
        """Make the profile the one of commands that name none."""
        self.find(name)
        with self._changing() as document:
            document["selected"] = name

    def remove(self, name: str) -> None:
        """Delete the profile with its key. If it was selected, none is afterwards."""
        self.find(name)
        with self._changing() as document:
            del document["profiles"][name]
            if document.get("selected") == name:
                del document["selected"]

    @contextmanager
    def _changing(self) -> Iterator[TOMLDocument | dict[str, Any]]:
        """Yield the document, and write it as a whole at the end."""
        import tomlkit

        document = tomlkit.parse(self._text())
        yield document
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with whole_file(self.path, _OWNER_ONLY) as file:
                file.write(tomlkit.dumps(document).encode())
        except OSError as error:
            raise Failure(ExitCode.FILE, f"{self.path} cannot be written: {error.strerror}.") from error

    def _text(self) -> str:
        try:
            with self.path.open(encoding="utf-8") as file:
                self._require_private(file.fileno())
                return file.read()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise usage(f"{self.path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise usage(f"{self.path} is not UTF-8.") from error

    def _require_private(self, descriptor: int) -> None:
        if os.name == "posix" and os.fstat(descriptor).st_mode & _OTHERS:
            raise usage(f"Other users may read the credentials in {self.path}. Run: chmod 600 {self.path}")

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise usage(f"{self.path} is not TOML: {error}.") from error

    def _profile(self, name: str, table: object) -> Profile:
        source = f"{self.path}, profile {name!r}"
        match table:
            case {"api_key": _, "token": _}:
                pass
            case {"url": str(url), "api_key": str(value)}:
                return make_profile(name, url, api_key(value), source)
            case {"url": str(url), "token": str(value)}:
                return make_profile(name, url, token(value), source)
        raise usage(f"{source}: it needs the strings url and either api_key or token.")
