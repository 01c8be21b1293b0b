"""Print the lines of stdin that match the `--filter-pattern` among the arguments, as CloudWatch Logs would.

MiniStack returns every line for a pattern of JSON fields. Covered: one field compared with a text, which `*` may end.
"""

from __future__ import annotations

import json
import re
import sys


def comparison(pattern: str) -> tuple[str, str]:
    """Return the field and the text of a pattern such as `{ $.level = "ERROR" }`. Raises ValueError for another one."""
    found = re.fullmatch(r'\{ \$\.(\w+) = "([^"*]+\*?)" \}', pattern)
    if not found:
        raise ValueError(f"not a comparison of one field with a text: {pattern}")
    return found[1], found[2]


def matches(pattern: str, line: str) -> bool:
    """Return whether the line is a JSON object with this text in this field. Raises ValueError as `comparison`."""
    field, text = comparison(pattern)
    try:
        value = json.loads(line)[field]
    except (ValueError, LookupError, TypeError):
        return False
    return isinstance(value, str) and (value.startswith(text[:-1]) if text.endswith("*") else value == text)


def main(arguments: list[str]) -> None:
    pattern = arguments[arguments.index("--filter-pattern") + 1]
    comparison(pattern)
    sys.stdout.writelines(each for each in sys.stdin if matches(pattern, each))


if __name__ == "__main__":
    main(sys.argv[1:])
