"""Rows to write, with the fields that a test does not care about filled in."""

from __future__ import annotations

import hashlib

from store.tables.groups import GroupRow, MemberRow
from store.tables.messages import MessageRow
from store.tables.sessions import SessionRow
from store.tables.users import UserRow
from store.transaction import Transaction

NOW_MS = 1_763_000_000_000


def message(conversation: str, seq: int, sender: str = "ann", cid: str | None = None, **more: object) -> MessageRow:
    fields: dict[str, object] = {
        "type": "text",
        "body": '{"text":"hello"}',
        "mentions": None,
        "reply_to": None,
        "time": NOW_MS + seq,
        "counted": seq,
    }
    fields.update(more)
    cid = cid or f"{conversation}-{seq}"
    digest = hashlib.blake2b(cid.encode(), digest_size=16).digest()
    return MessageRow(conversation, seq, sender, cid, digest=digest, **fields)  # type: ignore[arg-type]


def timeline(conversation: str, length: int, events: frozenset[int] = frozenset()) -> list[MessageRow]:
    """Messages 1..length; the seqs in `events` are not countable."""
    counted, rows = 0, []
    for seq in range(1, length + 1):
        counted += seq not in events
        rows.append(message(conversation, seq, counted=counted))
    return rows


def user(ident: str, username: str | None = None, **more: object) -> UserRow:
    return UserRow(ident, username, "hash", f"Name of {ident}", **more)  # type: ignore[arg-type]


def session(ident: str, owner: str = "ann", **more: object) -> SessionRow:
    fields: dict[str, object] = {"refresh_hash": f"hash-{ident}", "newest_hash": None, "rotated": None}
    fields.update(issued=NOW_MS, expires=NOW_MS + 1000, revoked=None)
    fields.update(more)
    return SessionRow(ident, owner, "web", "d1", **fields)  # type: ignore[arg-type]


def group(ident: str, members: int = 1) -> GroupRow:
    return GroupRow(ident, f"Group {ident}", None, None, "ann", "open", False, members)


def emitted_waiting(tx: Transaction) -> int:
    """How many emitted commands are on their way."""
    (row,) = tx.rows("SELECT COUNT(*) FROM outbox")
    return int(row[0])


def member(ident: str, who: str, joined_seq: int = 1, left_seq: int | None = None, role: str = "member") -> MemberRow:
    return MemberRow(ident, who, role, joined_seq, left_seq, 0)
