"""The keys of issuers in the DynamoDB table: `pk` is `ISSUER#{sha256 of the issuer}`, `sk` is `ISSUER`."""

from __future__ import annotations

import hashlib
import json

from imagegen.access.key_sets import USABLE_S
from imagegen.access.ports import KeySet
from imagegen.aws.clients import translated
from imagegen.aws.table import Table, serialized


class DynamoKeySets(Table):
    """Implements access.ports.SharedKeySets."""

    def get(self, issuer: str) -> tuple[KeySet, int] | None:
        """Return the keys and when they were fetched, in epoch seconds; the caller judges their age."""
        with translated("DynamoDB"):
            item = self._read(_key(issuer))
        return None if item is None else (json.loads(item["keys"]), int(item["fetched_at"]))

    def put(self, issuer: str, keys: KeySet, fetched_at: int) -> None:
        """Replace the issuer's keys. Of two processes that fetched at the same time, either may win."""
        values = {"keys": json.dumps(keys), "fetched_at": fetched_at, "expires_at": fetched_at + USABLE_S}
        with translated("DynamoDB"):
            self._client.put_item(TableName=self._name, Item=serialized(_key(issuer) | values))


def _key(issuer: str) -> dict[str, str]:
    return {"pk": f"ISSUER#{hashlib.sha256(issuer.encode()).hexdigest()}", "sk": "ISSUER"}
