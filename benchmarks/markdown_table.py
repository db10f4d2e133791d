"""Tables as the documents have them."""

from collections.abc import Iterable


def markdown(header: Iterable[str], body: Iterable[Iterable[str]], left: int | None = None) -> list[str]:
    """The lines of a Markdown table and an empty one. The first `left` columns stand on the left, the others, which are
    numbers, on the right; None: all on the left."""
    header = list(header)
    rule = ["---"] * len(header[:left]) + ["--:"] * (len(header) - len(header[:left]))
    cells = ([cell.replace("|", "\\|") for cell in line] for line in (header, rule, *body))
    return [f"| {' | '.join(line)} |" for line in cells] + [""]
