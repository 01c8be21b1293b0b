"""What the check of a prompt of 2,000 characters costs: `python -m tools.bench.prompt_check`.

Processor time, so that other work on the machine changes little.
"""

from __future__ import annotations

import time
from itertools import cycle, islice
from statistics import quantiles
from typing import Final

from imagegen.generation.prompt_syntax import text_of
from imagegen.generation.request import MAX_PROMPT
from imagegen.moderation.prompt_rules import PromptRules
from imagegen.moderation.word_lists import packaged
from tests.support.moderation_prompts import forbidden, innocent

ROUNDS: Final = 300
INNOCENT: Final = innocent()
PROMPTS: Final = {
    "English": [
        "a highly detailed photo of an old lighthouse on a cliff, dramatic sky, golden hour, long exposure",
        "children play in front of it, waves and rocks, (masterpiece:1.2), 8k, f/1.8, trending on a gallery's page",
        "portrait of an elderly fisherman with a weathered face, wool cap, soft light from the left, film grain",
    ],
    "Chinese": [
        "一只可爱的小猫坐在窗台上，阳光明媚，高清",  # noqa: RUF001
        "孩子们在公园里玩耍，水彩画风格",  # noqa: RUF001
        "古老的灯塔，海浪拍打着岩石",  # noqa: RUF001
    ],
    "listed words in innocent phrases": INNOCENT,
    "disguised, in every way": [each.prompt for each in forbidden()],
}


def main() -> None:
    """Print one line for each kind of prompt of 2,000 characters."""
    rules = PromptRules(packaged())
    for name, prompts in PROMPTS.items():
        text = ", ".join(islice(cycle(prompts), MAX_PROMPT))[:MAX_PROMPT]
        times = [_ms(rules, text) for _ in range(ROUNDS)]
        cuts = quantiles(times, n=100)
        print(f"{name}: median {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")


def _ms(rules: PromptRules, text: str) -> float:
    started = time.process_time()
    rules.category(text_of(text), "")
    return (time.process_time() - started) * 1000


if __name__ == "__main__":
    main()
