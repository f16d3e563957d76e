"""conversation.list: the caller's conversations, the most recently active first (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.conversations.sync import MAX_UNREAD
from logic.handlers.sizes import fit, message_bytes
from logic.outcome import Outcome, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import ids, replies
from protocol.errors import bad_field
from store.tables import conversations, cursors, mentions
from store.tables.conversations import ViewRow
from store.transaction import Transaction

VIEW_BYTES = 200  # of a conversation, beside its name and its last message


def _position(after: str | None) -> tuple[int, str] | None:
    """The position that `after` names, `{time in ms}:{conversation}`. Raises ImError bad_field."""
    if after is None:
        return None
    time, _, conversation = after.partition(":")
    if not (time.isascii() and time.isdigit()) or len(time) > 16 or not conversation:
        raise bad_field("after", "the `next` of an earlier answer")
    return int(time), conversation


def _after(row: ViewRow) -> str:
    """The `next` of a page that ends with `row`; `_position` reads it."""
    time, conversation = row.position
    return f"{time}:{conversation}"


def _view_bytes(row: ViewRow) -> int:
    return VIEW_BYTES + len(row.conversation) + (message_bytes(row.last) if row.last else 0)


def _peers_read(tx: Transaction, user: str, rows: list[ViewRow]) -> dict[str, int]:
    """{conversation: how far the peer has read} of the private conversations among `rows`."""
    peers: dict[tuple[str, str], str] = {}
    for row in rows:
        parsed = ids.parse_conversation(row.conversation)
        if parsed is not None and parsed.kind == "p" and parsed.users[0] != parsed.users[1]:
            peer = parsed.users[1] if parsed.users[0] == user else parsed.users[0]
            peers[peer, row.conversation] = row.conversation
    return {pair[1]: read_seq for pair, (read_seq, _) in cursors.get(tx, sorted(peers)).items()}


def list_conversations(work: Work, services: Services) -> Outcome:
    """A page of at most `limit` conversations, and of 96 KiB with their last messages. Raises ImError bad_field for an
    `after` that was no `next`."""
    user, args = work.sender.user, work.args
    with services.database.reading() as tx:
        found = conversations.page(tx, user, _position(args.after), args.limit + 1)
        rows = fit(found[: args.limit], _view_bytes)
        mentioned = mentions.mentioned(tx, user, {row.conversation: row.read_seq for row in rows if row.unread})
        peers_read = _peers_read(tx, user, rows)
    views = [
        replies.ConversationView(
            conversation=row.conversation,
            max_seq=row.max_seq,
            read_seq=row.read_seq,
            unread=min(row.unread, MAX_UNREAD),
            mentioned=row.conversation in mentioned,
            last=message_of(row.last) if row.last else None,
            pinned=False,
            muted=False,
            draft="",
            peer_read_seq=peers_read.get(row.conversation),
        )
        for row in rows
    ]
    next_ = _after(rows[-1]) if len(found) > len(rows) else None
    return replied(replies.Conversations(conversations=views, next=next_))
