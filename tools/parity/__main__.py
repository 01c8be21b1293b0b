"""Compare every scheduler with diffusers at every step count and write docs/schedulers.md (`make parity`).

Takes some minutes on two CPUs. Exit status 1, and nothing written, if a result differs where diffusers has one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from tools.parity import page, settings
from tools.parity.compare import Agreement
from tools.parity.pool import agreements
from tools.parity.settings import Case

FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "schedulers.md"


def main() -> None:
    """Compare, show the progress, and write the page."""
    every = [*settings.combinations(), *settings.variations(), *settings.from_pictures()]
    cases = [case for case in every if case.accepted]
    results: dict[Case, Agreement] = {}
    for case, result in agreements(cases):
        results[case] = result
        print(f"\r{len(results)} of {len(cases)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    differing = [f"{case}: {each.disagree}" for case, each in results.items() if each.disagree]
    if differing:
        sys.exit("Different from diffusers:\n" + "\n".join(differing))
    FILE.write_text(page.render(results))


if __name__ == "__main__":
    main()
