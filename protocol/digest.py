"""The digest of a request: it tells a retry (the same content) from a conflict (other content under the same cid)."""

from __future__ import annotations

import hashlib
from functools import cache

from protocol import codec
from protocol.args import Args


def content_digest(op: str, args: Args) -> bytes:
    """16 bytes over the op and its typed arguments. Fields that the op does not know, and their order, do not count."""
    digest = _begun(op).copy()
    digest.update(codec.canonical(args))
    return digest.digest()


@cache
def _begun(op: str) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16, key=op.encode())
