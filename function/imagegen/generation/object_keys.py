"""Keys of stored objects: all objects of identical requests of a tenant are in one folder. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from imagegen.generation.spec import GenerationSpec

_DIGITS = 16
"""Hex digits of the file's SHA-256 in its key: 64 bits tell the few versions of one image apart."""


@dataclass(frozen=True)
class Folder:
    """The folder of a tenant's cache key."""

    tenant: str
    cache_key: str

    @property
    def entry(self) -> str:
        """The key of the cache entry, which names the images that answer the next identical request."""
        return f"{self._path}/entry.json"

    def image(self, spec: GenerationSpec, index: int, sha256: str) -> str:
        """Return the key of image `index`, whose file has this SHA-256. Another file has another key.

        The last part is what a browser or `curl -O` calls the file.
        """
        return f"{self._path}/{sha256[:_DIGITS]}/{spec.model_id}-{spec.seed_of(index)}.{spec.output_format}"

    @property
    def _path(self) -> str:
        return f"images/{self.tenant}/{self.cache_key}"
