"""Which characters nobody sees: one rule for user names, names of people and groups, texts and titles. Pure.

Invisible are spaces, controls, what Unicode calls default ignorable (DerivedCoreProperties: zero-width characters, the
soft hyphen, variation selectors, marks of direction, Hangul fillers, tags), and a few that are drawn as nothing, such
as the empty Braille pattern U+2800. A combining mark alone is seen.
"""

from __future__ import annotations

import re

_INVISIBLE = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013441\U00013442\U0001bca0-\U0001bca3\U0001d159"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
VISIBLE = f"[^{_INVISIBLE}]"
"""A pattern that is found in every text of which something is seen: for the `Meta` of a field."""

EMPTY_OR_VISIBLE = rf"\A\Z|{VISIBLE}"
"""The pattern of a field that may be left empty."""

NOTHING_TO_SEE = "there is nothing to see in it"

_visible = re.compile(VISIBLE)
_invisible = re.compile(f"[{_INVISIBLE}]")
_ignorable = re.compile(rf"(?!\s)[{_INVISIBLE}]")
_PATTERNS = [f"Expected `str` matching regex {pattern!r}" for pattern in (VISIBLE, EMPTY_OR_VISIBLE)]


def is_visible(text: str) -> bool:
    """Whether something of `text` is seen."""
    return _visible.search(text) is not None


def has_invisible(text: str) -> bool:
    """Whether `text` holds a character that is not seen."""
    return _invisible.search(text) is not None


def without_ignorable(text: str) -> str:
    """`text` without the characters that are not seen and are no spaces either: without them it looks the same."""
    return _ignorable.sub("", text)


def in_words(refusal: str) -> str:
    """What msgspec says of a field, with words in place of the pattern."""
    for pattern in _PATTERNS:
        refusal = refusal.replace(pattern, NOTHING_TO_SEE)
    return refusal
