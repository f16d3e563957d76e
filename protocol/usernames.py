"""User names: when two of them are one, and which may be registered. Pure.

Law: names with the same key are one name. The key is what is unique; what was typed is what is shown. It is the
compatibility caseless form of Unicode (section 3.13, D146) in NFKC, of the name without characters of no width. Only
characters that this version of Unicode assigns may be registered: their keys are the same in every later version
(docs/decisions/0034-names-and-guesses.md).
"""

from __future__ import annotations

import unicodedata

from protocol.errors import bad_field
from protocol.visible import has_invisible, without_ignorable

MAX_CHARACTERS = 64
OF_THE_SYSTEM = "_"


def username_key(username: str) -> str:
    """The key of a name, whether or not it may be registered; `Bob`, `bob` and full-width `Ｂｏｂ` have one."""
    folded = unicodedata.normalize("NFD", without_ignorable(username)).casefold()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", folded).casefold())


def check_username(username: str) -> None:
    """Raise ImError bad_field where nobody may register this name."""
    key = username_key(username)
    if has_invisible(username) or has_invisible(key) or not key:
        raise bad_field("username", "without spaces and characters that nobody sees")
    if any(unicodedata.category(character) in ("Cn", "Cs") for character in username):
        raise bad_field("username", "it holds a character that Unicode does not know")
    if len(key) > MAX_CHARACTERS:
        raise bad_field("username", f"written in full it has more than {MAX_CHARACTERS} characters")
    if key.startswith(OF_THE_SYSTEM):
        raise bad_field("username", "names that begin with _ are the system's")
