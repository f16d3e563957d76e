"""Password hashes: argon2id (RFC 9106) with the settings that OWASP recommends, about 40 ms of one core each.

An unknown user name takes as long as a wrong password, so that nobody finds out which names exist: a dummy hash is
verified in its place.
"""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

_TIME_COST, _MEMORY_KIB = 2, 19 * 1024
_HASHER = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=1)
_DUMMY = _HASHER.hash("nobody has this password")


def _normal(password: str) -> str:
    # One keyboard sends a letter with its accent as one character, another as two.
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """The hash of a password, with its salt and settings, as the store keeps it. Blocks for about 40 ms."""
    return _HASHER.hash(_normal(password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether `stored` is a hash of `password`; for None (no such account) it is not, and takes as long. Blocks for
    about 40 ms."""
    try:
        return _HASHER.verify(stored or _DUMMY, _normal(password)) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def password_digest(salt: bytes, *passwords: str) -> bytes:
    """16 bytes by which the same passwords are known again, where their request is repeated; who has them must pay as
    much for each guess as with a hash. `salt` has 16 bytes. Blocks for about 40 ms."""
    secret = "\0".join(map(_normal, passwords)).encode()
    return hash_secret_raw(secret, salt, _TIME_COST, _MEMORY_KIB, parallelism=1, hash_len=16, type=Type.ID)
