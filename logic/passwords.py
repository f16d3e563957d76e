"""Password hashes: argon2id at OWASP's settings, about 40 ms each on one core.

A wrong user name costs as much as a wrong password: a dummy hash is verified in its place.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_DUMMY = _HASHER.hash("nobody has this password")


def _normal(password: str) -> str:
    # The same password typed on two keyboards may come composed or decomposed.
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """What the store keeps of a password."""
    return _HASHER.hash(_normal(password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one behind `stored`; None (no such account) takes as long and is False."""
    try:
        return _HASHER.verify(stored or _DUMMY, _normal(password)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
