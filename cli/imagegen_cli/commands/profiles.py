"""`imagegen profile`: the deployments that the command line knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from imagegen_cli import options

if TYPE_CHECKING:
    from imagegen_cli.profile_file import ProfileFile, Profiles

app = typer.Typer(help="Keep several deployments.")


@app.command()
def add(
    name: options.Name,
    url: options.Url,
    token: options.Token = False,
    replace: options.Replace = False,
    as_json: options.AsJson = False,
) -> None:
    """Keep a deployment. Asks for its API key or token, or reads one line of stdin. The first one is selected."""
    from imagegen_cli.credential import Credential, Kind
    from imagegen_cli.output import show
    from imagegen_cli.profile import make_profile

    file = _file()
    file.require_free(name, replace)
    kind = Kind.TOKEN if token else Kind.API_KEY
    profile = make_profile(name, url, Credential(kind, _read_secret(kind.words)), "profile add")
    file.add(profile)
    show(as_json, {"name": name, "url": profile.url}, lambda: f"{name} is kept in {file.path}.")


@app.command(name="list")
def list_profiles(as_json: options.AsJson = False) -> None:
    """List the profiles, without their keys. * marks the selected one."""
    from imagegen_cli.output import show

    profiles = _file().read()
    entries = [{"name": name, "url": profile.url} for name, profile in profiles.all.items()]
    show(as_json, {"selected": profiles.selected, "profiles": entries}, lambda: _lines(profiles))


@app.command()
def use(name: options.Name, as_json: options.AsJson = False) -> None:
    """Select the deployment of commands that name none."""
    from imagegen_cli.output import show

    _file().select(name)
    show(as_json, {"selected": name}, lambda: f"{name} is selected.")


@app.command()
def remove(name: options.Name, as_json: options.AsJson = False) -> None:
    """Delete a profile and its key from the file. The deployment keeps the key."""
    from imagegen_cli.output import show

    _file().remove(name)
    show(as_json, {"removed": name}, lambda: f"{name} is removed.")


def _file() -> ProfileFile:
    from imagegen_cli.environment import read_environment
    from imagegen_cli.profile_file import ProfileFile

    return ProfileFile(read_environment().config_file)


def _read_secret(words: str) -> str:
    """A key on the command line would be in the shell's history and in the list of processes."""
    import sys
    from getpass import getpass

    return (getpass(f"{words[0].upper()}{words[1:]}: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()


def _lines(profiles: Profiles) -> str:
    lines = [f"{'*' if name == profiles.selected else ' '} {name}  {each.url}" for name, each in profiles.all.items()]
    return "\n".join(lines) or "No profiles. Add one: imagegen profile add NAME URL"
