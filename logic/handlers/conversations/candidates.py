"""Which conversations a `sync` looks at, a page at a time: those that may have changed, and of the rest none.

First come, by name, the conversations that the client names and all groups of the user, whose number is bounded; then
the others in which something was said since the client's last sync, the latest first. Those may be very many, where
strangers write, or where a client cannot say since when: a page looks at 500 of them, whatever comes of it.
"""

from __future__ import annotations

from typing import NamedTuple

from logic.handlers.conversations import positions
from protocol import args, ids
from store.tables import conversations, cursors, groups
from store.tables.conversations import ViewRow
from store.tables.cursors import HOUR_MS
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
    if positions.read(asked.after or "") is not None:  # else it is a name, or made up
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
    noted = cursors.active(tx, user, first, positions.read(asked.after or ""), LOOKED_AT + 1)
    looked_at = [one for one in noted[:LOOKED_AT] if one.conversation not in asked.cursors]
    views = conversations.views(tx, user, [one.conversation for one in looked_at])
    found = [Candidate(views[one.conversation], positions.write(one)) for one in looked_at if one.conversation in views]
    return Candidates(found, positions.write(noted[LOOKED_AT - 1]) if len(noted) > LOOKED_AT else None)
