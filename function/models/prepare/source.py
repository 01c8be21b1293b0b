"""Where a checkpoint comes from: the registry, a folder of the caller's, or a commit of the hub.

Downloads go where huggingface_hub keeps them (HF_HOME), so that an interrupted one goes on. Only what the pipeline's
index names is taken: repositories also hold other formats and precisions, several times the size.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from imagegen import manifest
from imagegen.errors import ModelUnavailable
from imagegen.registry import REGISTRY, Decoder, Model
from models.prepare import registry_entry as entry
from models.prepare.pipeline_index import INDEX, OTHER_PRECISIONS, SUFFIXES, Refused, check, parts, read

SHIPPED: Final = Path(__file__).resolve().parent.parent
HUB_ID: Final = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>.*)")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
MODEL_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Source:
    """A model, and the folder it is in where that is known without a download. `listed`: the registry has it."""

    model: Model
    folder: Path | None
    listed: bool


def find(argument: str) -> Source:
    """What the caller means: a registry id, else a folder, else `owner/name@revision`. Raises Refused."""
    if argument in REGISTRY:
        model = REGISTRY[argument]
        return Source(model, SHIPPED / model.id if model.source == "folder" else None, listed=True)
    if Path(argument).is_dir():
        return _own_folder(Path(argument).resolve())
    match = HUB_ID.fullmatch(argument)
    if match is not None:
        return _hub(match["repository"], match["revision"])
    raise Refused(f"{argument} is no registry id ({', '.join(REGISTRY)}), no folder, and no owner/name@revision")


def checkpoint(source: Source) -> Path:
    """The source's folder in diffusers layout, downloaded where need be. Raises Refused."""
    model = source.model
    if source.folder is None:
        return _download(model.source.removeprefix("hub:"), model.revision)
    check(source.folder, _files(source.folder))
    if revision(source.folder) != model.revision:
        raise Refused(f"{source.folder} is {revision(source.folder)}; the registry's {model.id} is {model.revision}")
    return source.folder


def decoder(small: Decoder) -> Path:
    """The small decoder's folder, downloaded where need be. Raises Refused."""
    repository = small.source.removeprefix("hub:")
    names = ["config.json", "diffusion_pytorch_model.safetensors"]
    return Path(_asking(repository, snapshot_download, revision=small.revision, allow_patterns=names))


def revision(folder: Path) -> str:
    """What names a folder's content: its manifest's digest, or that of the manifest it would get. Raises Refused."""
    if (folder / manifest.NAME).exists():
        try:
            manifest.verify(folder)
        except ModelUnavailable as error:
            raise Refused(error.private) from error
        return manifest.digest(folder)
    with tempfile.TemporaryDirectory() as temporary:
        view = Path(temporary)
        wanted = [INDEX, *(f"{part}/*.{suffix}" for part in parts(read(folder)) for suffix in SUFFIXES)]
        for file in (file for pattern in wanted for file in folder.glob(pattern)):
            link = view / file.relative_to(folder)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file.resolve())
        manifest.write(view)
        return manifest.digest(view)


def _own_folder(folder: Path) -> Source:
    check(folder, _files(folder))
    model = entry.infer(_free_id(folder.name), "folder", revision(folder), folder)
    return Source(model, folder, listed=False)


def _hub(repository: str, commit: str) -> Source:
    if COMMIT.fullmatch(commit) is None:
        raise Refused(f"{commit!r} is no commit: pin {repository}@<40 hexadecimal digits>, as a branch or tag can move")
    for model in REGISTRY.values():
        if (model.source, model.revision) == (f"hub:{repository}", commit):
            return Source(model, None, listed=True)
    model_id = _free_id(repository.partition("/")[2])
    index = Path(_asking(repository, hf_hub_download, filename=INDEX, revision=commit))
    for name in ("unet", "vae"):
        _asking(repository, hf_hub_download, filename=f"{name}/config.json", revision=commit)
    return Source(entry.infer(model_id, f"hub:{repository}", commit, index.parent), None, listed=False)


def _free_id(name: str) -> str:
    model_id = name.lower()
    if MODEL_ID.fullmatch(model_id) is None:
        raise Refused(f"{name!r} makes no model id: letters, digits, dots, dashes and underscores, up to 64")
    if model_id in REGISTRY:
        raise Refused(f"{model_id} is another model in the registry: give the folder a name of its own")
    return model_id


def _download(repository: str, commit: str) -> Path:
    index = Path(_asking(repository, hf_hub_download, filename=INDEX, revision=commit))
    folders = parts(read(index.parent))
    folder = Path(
        _asking(
            repository,
            snapshot_download,
            revision=commit,
            allow_patterns=[INDEX, *(f"{part}/*.{suffix}" for part in folders for suffix in SUFFIXES)],
            ignore_patterns=list(OTHER_PRECISIONS),
        )
    )
    check(folder, _asking(repository, HfApi().list_repo_files, revision=commit))
    return folder


def _asking(repository: str, call: Any, **arguments: Any) -> Any:
    """One call of the hub's client, its errors in words."""
    try:
        return call(repository, **arguments)
    except GatedRepoError as error:
        raise Refused(
            f"{repository} is gated: accept its terms on the hub and set HF_TOKEN to a token of yours"
        ) from error
    except RepositoryNotFoundError as error:
        raise Refused(f"{repository} is not on the hub, or is private and HF_TOKEN holds no token for it") from error
    except RevisionNotFoundError as error:
        raise Refused(f"{repository} has no commit {arguments['revision']}") from error
    except LocalEntryNotFoundError as error:
        raise Refused(f"{repository} cannot be fetched: the hub does not answer, and nothing is kept of it") from error
    except (HfHubHTTPError, OSError) as error:
        raise Refused(f"{repository} cannot be fetched: {error}") from error


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
