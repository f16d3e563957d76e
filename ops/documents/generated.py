"""Parts of documents that are made from the code: between two comments, which name the command that makes them."""

from __future__ import annotations


def replaced(text: str, name: str, content: str) -> str:
    """`text` with `content` between `<!-- NAME -->` and `<!-- /NAME -->`, lines of their own. Raises ValueError where
    these are not there."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name.partition(':')[0]} -->\n"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the document lacks {begin.strip()} or {end.strip()}")
    return f"{before}{begin}{content}{end}{after}"
