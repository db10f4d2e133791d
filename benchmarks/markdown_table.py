"""Tables as the documents have them."""

import math
from collections.abc import Iterable


def markdown(header: Iterable[str], body: Iterable[Iterable[str]], left: int | None = None) -> list[str]:
    """The lines of a Markdown table and an empty one. The first `left` columns stand on the left, the others, which are
    numbers, on the right; None: all on the left."""
    header = list(header)
    rule = ["---"] * len(header[:left]) + ["--:"] * (len(header) - len(header[:left]))
    cells = ([cell.replace("|", "\\|") for cell in line] for line in (header, rule, *body))
    return [f"| {' | '.join(line)} |" for line in cells] + [""]


def ulps(value: float) -> str:
    """A number of units in the last place."""
    if math.isinf(value):
        return "∞"
    return f"{value:.3f}" if value < 1000 else f"{value:,.0f}" if value < 1e8 else f"{value:.2g}"
