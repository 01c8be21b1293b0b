"""Finds a model's checkpoint: in the registry, in a local folder, or at a commit on the Hugging Face Hub.

Downloads go to huggingface_hub's cache (HF_HOME), so an interrupted download resumes. Only files of the pipeline's
components are downloaded: a repository also holds other formats and precisions, several times that size.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from imagegen.catalog import manifest
from imagegen.catalog.registry import REGISTRY, Decoder, Model
from imagegen.errors import ModelUnavailable
from models.prepare import registry_entry, weights
from models.prepare.errors import PrepareError
from models.prepare.pipeline_index import CONFIGURATIONS, INDEX, SUFFIXES, components, read_index, weights_of

SHIPPED: Final = Path(__file__).resolve().parent.parent
"""Folder of the models that ship with the repository."""
HUB_ID: Final = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>.*)")
COMMIT: Final = re.compile(r"[0-9a-f]{40}")
MODEL_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Source:
    """A model and its checkpoint's folder; None if the checkpoint must be downloaded."""

    model: Model
    folder: Path | None
    in_registry: bool
    notes: tuple[str, ...] = ()
    """What the inferred registry entry does not say."""


def find(argument: str) -> Source:
    """Resolve a registry id, a folder, or `owner/name@commit`, in this order.

    For a hub model that is not in the registry, this downloads its configuration files. Raises PrepareError.
    """
    if argument in REGISTRY:
        model = REGISTRY[argument]
        return Source(model, SHIPPED / model.id if model.source == "folder" else None, in_registry=True)
    if Path(argument).is_dir():
        return _from_folder(Path(argument).resolve())
    match = HUB_ID.fullmatch(argument)
    if match is not None:
        return _from_hub(match["repository"], match["revision"])
    if Path(argument).is_file():
        raise PrepareError(
            f"{argument} is a file; only folders in diffusers layout are supported. Convert it with diffusers: "
            "StableDiffusionPipeline.from_single_file(file).save_pretrained(folder)"
        )
    raise PrepareError(
        f"{argument!r} is not a registry id ({', '.join(REGISTRY)}), not a folder, and not owner/name@commit"
    )


def fetch_checkpoint(source: Source) -> Path:
    """Return the checkpoint's folder in diffusers layout, downloaded if needed.

    Raises PrepareError if the download fails, a component's weights are missing or damaged, or a folder's content
    differs from the model's revision.
    """
    model = source.model
    if source.folder is None:
        return _download(model.source.removeprefix("hub:"), model.revision)
    _check_weights(source.folder)
    revision = folder_revision(source.folder)
    if revision != model.revision:
        raise PrepareError(f"{source.folder} has the revision {revision}, but {model.id} needs {model.revision}")
    return source.folder


def fetch_decoder(decoder: Decoder) -> Path:
    """Return the tiny decoder's folder, downloaded if needed. Raises PrepareError if the download fails."""
    repository = decoder.source.removeprefix("hub:")
    names = ["config.json", "diffusion_pytorch_model.safetensors"]
    return Path(_call_hub(repository, snapshot_download, revision=decoder.revision, allow_patterns=names))


def folder_revision(folder: Path) -> str:
    """Return the digest of the folder's manifest, or of the manifest that would be written for its checkpoint.

    Raises PrepareError if a file does not match the existing manifest.
    """
    if (folder / manifest.NAME).exists():
        try:
            manifest.verify(folder, version=manifest.CHECKPOINT_FORMAT)
        except ModelUnavailable as error:
            raise PrepareError(error.private) from error
        return manifest.digest(folder)
    with tempfile.TemporaryDirectory() as temporary:
        view = Path(temporary)
        for file in (file for pattern in _patterns(read_index(folder)) for file in folder.glob(pattern)):
            link = view / file.relative_to(folder)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file.resolve())
        manifest.write(view, version=manifest.CHECKPOINT_FORMAT)
        return manifest.digest(view)


def _patterns(index: dict[str, Any]) -> list[str]:
    """Glob patterns of the files that the pipeline loads."""
    return [INDEX, *(f"{name}/*.{suffix}" for name in components(index) for suffix in SUFFIXES)]


def _from_folder(folder: Path) -> Source:
    _check_weights(folder)
    model, notes = registry_entry.infer(_new_model_id(folder.name), "folder", folder_revision(folder), folder)
    return Source(model, folder, in_registry=False, notes=notes)


def _from_hub(repository: str, commit: str) -> Source:
    if COMMIT.fullmatch(commit) is None:
        raise PrepareError(
            f"{commit!r} is not a commit; use {repository}@<40 hexadecimal digits>: branches and tags can move"
        )
    for model in REGISTRY.values():
        if (model.source, model.revision) == (f"hub:{repository}", commit):
            return Source(model, None, in_registry=True)
    model_id = _new_model_id(repository.partition("/")[2])
    _call_hub(repository, hf_hub_download, filename=INDEX, revision=commit)
    folder = _download_files(repository, commit, lambda name: name == INDEX or Path(name).name in CONFIGURATIONS)
    model, notes = registry_entry.infer(model_id, f"hub:{repository}", commit, folder)
    return Source(model, None, in_registry=False, notes=notes)


def _new_model_id(name: str) -> str:
    model_id = name.lower()
    if MODEL_ID.fullmatch(model_id) is None:
        raise PrepareError(
            f"{name!r} is not a valid model id: use up to 64 letters, digits, dots, dashes and underscores, "
            "starting with a letter or digit"
        )
    if model_id in REGISTRY:
        raise PrepareError(
            f"the registry already has another model {model_id}; copy the model to a folder with a new name"
        )
    return model_id


def _download(repository: str, commit: str) -> Path:
    """Download the files that the pipeline loads, and of the weights only the chosen variant."""
    folder = Path(_call_hub(repository, hf_hub_download, filename=INDEX, revision=commit)).parent
    files = _call_hub(repository, HfApi().list_repo_files, revision=commit)
    chosen = {
        f"{name}/{file}"
        for name, each in weights_of(folder, files).items()
        for file in (*each.files, each.index)
        if file is not None
    }
    patterns = _patterns(read_index(folder))

    def wanted(file: str) -> bool:
        path = PurePosixPath(file)
        loaded = any(path.match(pattern) for pattern in patterns) and len(path.parts) <= 2
        return file in chosen or (loaded and not weights.is_weights(path.name))

    folder = _download_files(repository, commit, wanted)
    _check_weights(folder)
    return folder


def _download_files(repository: str, commit: str, wanted: Callable[[str], bool]) -> Path:
    files = _call_hub(repository, HfApi().list_repo_files, revision=commit)
    names = [file for file in files if wanted(file)]
    return Path(_call_hub(repository, snapshot_download, revision=commit, allow_patterns=names))


def _check_weights(folder: Path) -> None:
    for name, chosen in weights_of(folder, files_of(folder)).items():
        weights.check(folder / name, chosen)


def _call_hub(repository: str, call: Any, **arguments: Any) -> Any:
    """Call a function of huggingface_hub and translate its errors to PrepareError."""
    try:
        return call(repository, **arguments)
    except GatedRepoError as error:
        raise PrepareError(
            f"{repository} is gated: accept its terms on the Hugging Face Hub, then set HF_TOKEN to your access token"
        ) from error
    except RepositoryNotFoundError as error:
        raise PrepareError(
            f"{repository} is not on the Hugging Face Hub, or it is private: set HF_TOKEN to a token that can read it"
        ) from error
    except RevisionNotFoundError as error:
        raise PrepareError(f"{repository} has no commit {arguments['revision']}") from error
    except LocalEntryNotFoundError as error:
        raise PrepareError(
            f"{repository} cannot be downloaded: the Hugging Face Hub does not respond, and the local cache "
            "does not have the file"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise PrepareError(f"{repository} cannot be downloaded: {error}") from error


def files_of(folder: Path) -> list[str]:
    """Return the paths of all files, relative to the folder."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
