"""Which conversations a `sync` looks at, a page at a time: those that may have changed, and of the rest none.

First come, by name, the conversations that the client names and all groups of the user, whose number is bounded; then
the others in which something was said since the client's last sync, the latest first. Those may be very many, where
strangers write, or where a client cannot say since when: a page looks at 500 of them, whatever comes of it.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol import args, ids
from store.tables import conversations, cursors, groups
from store.tables.conversations import ViewRow
from store.tables.cursors import HOUR_MS, Active
from store.transaction import Transaction

LOOKED_AT = 500


class Candidate(NamedTuple):
    """A conversation, and the `after` with which a page goes on behind it."""

    view: ViewRow
    after: str


class Candidates(NamedTuple):
    """Conversations in their order, and the `after` of the page that looks on, None where there is none to look at."""

    found: list[Candidate]
    next: str | None


def named(tx: Transaction, user: str, asked: args.Sync) -> list[Candidate]:
    """The conversations of `asked.cursors` that are the user's or were, and unless it asks only for these, the user's
    groups; by name, from behind `asked.after` on."""
    if _noted(asked.after) is not None:
        return []
    names = set(asked.cursors)
    if not asked.only:
        names.update(ids.group_conversation(group) for group in groups.groups_of(tx, [user])[user])
    views = conversations.views(tx, user, sorted(name for name in names if name > (asked.after or "")))
    return [Candidate(views[name], name) for name in sorted(views)]


def active(tx: Transaction, user: str, asked: args.Sync, since_ms: int) -> Candidates:
    """The other conversations in which something was said since `since_ms`, less an hour: clocks differ, and a message
    may be committed a while after its time."""
    first = max(1, (since_ms - HOUR_MS) // HOUR_MS * HOUR_MS)
    noted = cursors.active(tx, user, first, _noted(asked.after), LOOKED_AT + 1)
    looked_at = [one for one in noted[:LOOKED_AT] if one.conversation not in asked.cursors]
    views = conversations.views(tx, user, [one.conversation for one in looked_at])
    found = [Candidate(views[one.conversation], _after(one)) for one in looked_at if one.conversation in views]
    return Candidates(found, _after(noted[LOOKED_AT - 1]) if len(noted) > LOOKED_AT else None)


def _after(one: Active) -> str:
    return f"{one.time}:{one.conversation}"


def _noted(after: str | None) -> Active | None:
    """The place among noted times that `after` names; None where it is a name, or a made-up one."""
    time, _, conversation = (after or "").partition(":")
    if not (time.isascii() and time.isdigit()) or len(time) > 16 or ids.parse_conversation(conversation) is None:
        return None
    return Active(int(time), conversation)
