"""Why a command ends without its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from imagegen_cli.exit_code import ExitCode
from imagegen_cli.text import printable


class Failure(Exception):
    """Ends the command with an exit code; `detail` says what went wrong, and the way out.

    `problem` has the members of the service's problem document (RFC 9457) that apply, such as `code`, `status`,
    `errors` and `request_id`. Never put a key into any of them.
    """

    def __init__(self, exit_code: ExitCode, detail: str, problem: Mapping[str, Any] | None = None):
        super().__init__(detail)
        self.exit_code = exit_code
        self.detail = detail
        self.problem = {"code": exit_code.label, **(problem or {})}
        self.hints: tuple[str, ...] = ()
        """Commands with which the caller can go on, each with what it does."""

    @property
    def code(self) -> str:
        """Return the service's error code, or the exit code's name."""
        return str(self.problem["code"])

    def go_on(self, hints: Iterable[str], **known: str) -> None:
        """Add how to go on, and what identifies the work that was begun (`job_id`, `idempotency_key`)."""
        self.hints += tuple(hints)
        self.problem |= known

    def document(self) -> dict[str, Any]:
        """Return what `--json` writes to stderr."""
        return {"exit_code": int(self.exit_code), **self.problem, "detail": self.detail}

    def text(self) -> str:
        """Return the failure for people: the service's words, a line per invalid field, and the request id.

        Without the hints.
        """
        status = self.problem.get("status")
        opening = "" if self.exit_code is ExitCode.INTERRUPTED else "Error: "
        lines = [f"{opening}{f'{status} {self.code}: ' if status else ''}{self.detail}"]
        lines += [f"  {each['field']}: {each['message']} ({each['code']})" for each in self.problem.get("errors", [])]
        lines += [f"  request id {self.problem['request_id']}"] if self.problem.get("request_id") else []
        return printable("\n".join(lines))


def usage(detail: str) -> Failure:
    """Return the failure of a wrong option, argument or configuration."""
    return Failure(ExitCode.USAGE, detail)
