"""Loads the engine of a backend. Imports its module only then, because that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imagegen.catalog import auxiliary, manifest
from imagegen.catalog.model_folders import ModelFolders
from imagegen.catalog.registry import Model
from imagegen.engines.batching import Batcher
from imagegen.engines.guard import GuardedEngine
from imagegen.engines.postprocessing import Postprocessor
from imagegen.errors import ModelUnavailable
from imagegen.generation.ports import Backend, Engine


@dataclass(frozen=True)
class EngineLoader:
    """Where prepared models are, the networks for all of them in `models_dir`, and the function's memory in MB."""

    folders: ModelFolders
    models_dir: Path
    memory_mb: int
    batcher: Batcher

    def load(self, model: Model, backend: Backend) -> Engine:
        """Load an engine. Verification starts first: hashing releases the GIL, so it runs during the import.

        Raises ModelUnavailable, or StorageUnavailable for a published version that cannot be downloaded now.
        """
        postprocessor = Postprocessor(auxiliary.prepared(self.models_dir), backend.threads)
        folder = self.folders.folder(model, backend.engine)
        verified = manifest.begin_verifying(folder)
        try:
            if backend.engine == "openvino":
                from imagegen.engines.openvino_engine import OpenVINOEngine

                loaded = OpenVINOEngine.load(folder, model, backend, verified, self.memory_mb)
                return GuardedEngine(loaded, postprocessor.apply)
            from imagegen.engines.torch_engine import TorchEngine

            engine = TorchEngine.load(folder, backend, verified)
            batched = self.batcher.wrap(engine) if backend.device == "cuda" else engine
            return GuardedEngine(batched, postprocessor.apply)
        except ModuleNotFoundError as error:
            raise ModelUnavailable.because(backend.engine, f"is in ENGINES, but not in the image: {error}") from error
