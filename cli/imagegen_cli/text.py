"""Text from elsewhere, made safe for a terminal."""

_KEPT = "\n\t"


def printable(text: str) -> str:
    """Return the text with control and format characters replaced: a service must not send escape sequences."""
    return "".join(each if each.isprintable() or each in _KEPT else "\N{REPLACEMENT CHARACTER}" for each in text)
