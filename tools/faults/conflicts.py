"""Conflicts of transactions, which DynamoDB has and MiniStack has not.

DynamoDB refuses a write of a row that another transaction is writing. A transaction then fails with
TransactionCanceledException, another write with TransactionConflictException; botocore retries neither.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from tools.faults.botocore_faults import cancelled, json_answer, operation_of

TRANSACTION_S: Final = 0.01
"""How long a transaction holds its rows: about what one takes on AWS, whatever the emulator needs."""
_TRANSACT: Final = "dynamodb.TransactWriteItems"
_WRITES: Final = ("dynamodb.UpdateItem", "dynamodb.PutItem", "dynamodb.DeleteItem")

Row = tuple[str, str]


@dataclass
class Conflicts:
    """The rows that this process's transactions are writing, each for TRANSACTION_S.

    `refused` counts the writes that met one of them.
    """

    refused: int = 0
    _busy: set[Row] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the DynamoDB writes of this process conflict during the block."""
        real = URLLib3Session.send

        def send(session: URLLib3Session, request: AWSRequest | AWSPreparedRequest) -> AWSResponse:
            prepared = cast(AWSPreparedRequest, request)
            return self._refusal(prepared) or real(session, prepared)

        URLLib3Session.send = send  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            URLLib3Session.send = real  # type: ignore[method-assign]

    def _refusal(self, request: AWSPreparedRequest) -> AWSResponse | None:
        """Hold a transaction's rows for a moment; return the refusal if another transaction holds one of them."""
        operation = operation_of(request)
        if operation not in (_TRANSACT, *_WRITES):
            return None
        rows = _rows(json.loads(request.body if isinstance(request.body, bytes) else b"{}"))
        with self._lock:
            if conflict := not self._busy.isdisjoint(rows):
                self.refused += 1
            elif operation == _TRANSACT:
                self._busy |= rows
        if conflict:
            return _conflict(request, operation)
        if operation == _TRANSACT:
            time.sleep(TRANSACTION_S)
            with self._lock:
                self._busy -= rows
        return None


def _conflict(request: AWSPreparedRequest, operation: str) -> AWSResponse:
    if operation == _TRANSACT:
        return cancelled(request, "TransactionConflict")
    return json_answer(request, 400, "TransactionConflictException")


def _rows(document: dict[str, Any]) -> set[Row]:
    """Return the keys that a write, or each write of a transaction, names."""
    transaction = document.get("TransactItems")
    writes = [document] if transaction is None else [write for item in transaction for write in item.values()]
    names = [write.get("Key") or write["Item"] for write in writes]
    return {(name["pk"]["S"], name["sk"]["S"]) for name in names}
