"""Password hashes: argon2id (RFC 9106) with the settings that OWASP recommends, about 40 ms of one core each.

An unknown user name takes as long as a wrong password, so that nobody finds out which names exist: a dummy hash is
verified in its place. Passwords are compared in the form NFKC, so that every keyboard types the same one.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from protocol.errors import bad_field
from protocol.visible import has_invisible

_TIME_COST, _MEMORY_KIB = 2, 19 * 1024
_HASHER = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=1)
_DUMMY = _HASHER.hash("nobody has this password")
_FORM: Literal["NFKC"] = "NFKC"
_FORMER_FORM: Literal["NFC"] = "NFC"  # that of hashes made before the form was NFKC
MIN_CHARACTERS = 8


def check_new_password(field: str, password: str) -> None:
    """Raise ImError bad_field, of `field`, for a password that nobody may choose: too short once it is normalised, or
    with a character that nobody sees and few could type again. Spaces are allowed."""
    normal = unicodedata.normalize(_FORM, password)
    if len(normal) < MIN_CHARACTERS:
        raise bad_field(field, f"at least {MIN_CHARACTERS} characters")
    if has_invisible(normal.replace(" ", "")):
        raise bad_field(field, "it holds a character that nobody sees")


def hash_password(password: str) -> str:
    """The hash of a password, with its salt and settings, as the store keeps it. Blocks for about 40 ms."""
    return _HASHER.hash(unicodedata.normalize(_FORM, password))


def is_password(stored: str | None, password: str) -> bool:
    """Whether `stored` is a hash of `password`; for None (no such account) it is not, and takes as long. Blocks for
    about 40 ms, twice as long for a password that is another one in the form of older hashes."""
    forms = {unicodedata.normalize(form, password): None for form in (_FORM, _FORMER_FORM)}
    return any(_is_hash_of(stored or _DUMMY, form) for form in forms) and stored is not None


def _is_hash_of(stored: str, normal: str) -> bool:
    try:
        return _HASHER.verify(stored, normal)
    except (VerificationError, InvalidHashError):
        return False


def password_digest(salt: bytes, *passwords: str) -> bytes:
    """16 bytes by which the same passwords are known again, where their request is repeated; who has them must pay as
    much for each guess as with a hash. `salt` has 16 bytes. Blocks for about 40 ms."""
    secret = "\0".join(unicodedata.normalize(_FORM, password) for password in passwords).encode()
    return hash_secret_raw(secret, salt, _TIME_COST, _MEMORY_KIB, parallelism=1, hash_len=16, type=Type.ID)
