"""How a command ends. The numbers are part of the command line's interface: docs/cli.md lists them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the process."""

    OK = 0
    FAULT = 1
    """A defect of the command line itself; stderr has the traceback."""
    USAGE = 2
    """A wrong option, argument or configuration; nothing was sent."""
    REFUSED = 3
    """The service rejects the request: another 4xx than the ones below."""
    KEY_REFUSED = 4
    """401 or 403."""
    NOT_FOUND = 5
    """404 or 410."""
    THROTTLED = 6
    """429, with a wait that is too long or after the last try."""
    SERVICE_FAILED = 7
    """5xx, or a response or an image that is not what the API promises."""
    UNREACHABLE = 8
    """No connection, no TLS, or the connection broke."""
    TIMEOUT = 9
    """`--timeout` has passed, or the service did not respond in time."""
    JOB_FAILED = 10
    JOB_CANCELLED = 11
    FILE = 12
    """A file cannot be written."""
    NOT_PRESENT = 13
    """`verify`: the picture has no content credentials."""
    INVALID = 14
    """`verify`: the picture's content credentials do not hold."""
    INTERRUPTED = 130
    """Ctrl-C. A job goes on."""
    TERMINATED = 143
    """SIGTERM. A job goes on."""

    @property
    def label(self) -> str:
        """Return the name in lower case, the `code` of failures that no service reported."""
        return self.name.lower()
