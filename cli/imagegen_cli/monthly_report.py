"""What all tenants have used in some months: rows, and their exact sum."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from imagegen_cli.access_documents import Sums, TenantUsage

_COLUMNS: Final = ("tenant", "month", "model", "images", "seconds", "usd")


@dataclass(frozen=True)
class MonthlyReport:
    """Rows by month, tenant and model."""

    rows: list[TenantUsage]

    @classmethod
    def of(cls, rows: Sequence[TenantUsage]) -> MonthlyReport:
        """Return the report of rows in any order."""
        return cls(sorted(rows, key=lambda row: (row.month, row.tenant, row.model)))

    @property
    def total(self) -> Sums:
        """Return the sum of all rows. Decimals add up exactly; floats would not."""
        return Sums(
            images=sum(row.images for row in self.rows),
            seconds=float(sum((Decimal(str(row.seconds)) for row in self.rows), Decimal(0))),
            usd=f"{sum((Decimal(row.usd) for row in self.rows), Decimal(0)).normalize():f}",
        )

    def document(self) -> dict[str, Any]:
        """Return the rows and their sum."""
        return {"rows": [self._fields(row) for row in self.rows], **self.total.model_dump()}

    def csv(self) -> str:
        """Return a line per row under the names of the columns, without a line break at the end."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._fields(row) for row in self.rows)
        return text.getvalue().rstrip("\n")

    @staticmethod
    def _fields(row: TenantUsage) -> dict[str, Any]:
        return {name: getattr(row, name) for name in _COLUMNS}
