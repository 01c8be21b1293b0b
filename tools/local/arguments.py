"""The command line of the programs behind `make run` and `make serve`."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn


class MakeParser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, under the name of the make variable that it came from. Exits with 2."""

    def error(self, message: str) -> NoReturn:
        print(re.sub(r"argument --([a-z-]+)", _variable, message), file=sys.stderr)
        sys.exit(2)


def _variable(option: re.Match[str]) -> str:
    return option[1].upper().replace("-", "_")
