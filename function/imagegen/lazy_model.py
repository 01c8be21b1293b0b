"""The base of pydantic models whose schemas are built at first use. Pure."""

from __future__ import annotations

import threading
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

_BUILDING: Final = threading.RLock()


class LazyModel(BaseModel):
    """Immutable; its schema is built at first use.

    Building all schemas took 12 ms of each function's init phase, later 25 ms; most functions use none or a few.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the schema, in one thread at a time.

        Before 2.14, pydantic's method is not thread-safe (its issue 13419). aws-sam-translator requires an older one.
        """
        with _BUILDING:
            return super().model_rebuild(**options)
