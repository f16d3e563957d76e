"""conversation.list: the caller's conversations, the most recently active first (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.conversations import positions
from logic.handlers.conversations.sync import MAX_UNREAD
from logic.handlers.sizes import lean_bytes
from logic.outcome import Outcome, fit, message_of, replied
from logic.services import Services
from logic.work import Work
from protocol import ids, replies
from protocol.errors import bad_field
from store.tables import conversations, cursors, mentions, messages, recent
from store.tables.conversations import ViewRow
from store.tables.cursors import Active
from store.tables.messages import LeanRow, MessageRow
from store.tables.recent import Place
from store.transaction import Transaction

VIEW_BYTES = 200  # of a conversation, beside its name and its last message
_NOTED = "~"


def _place(after: str | None) -> Place | None:
    """The place that `after` names, `{time in ms}:{conversation}`, with ~ before a noted time. Raises ImError
    bad_field."""
    if after is None:
        return None
    found = positions.read(after.removeprefix(_NOTED))
    if found is None:
        raise bad_field("after", "the `next` of an earlier answer")
    return Place(*found, not after.startswith(_NOTED))


def _after(place: Place) -> str:
    """The `next` of a page that ends at `place`; `_place` reads it."""
    written = positions.write(Active(place.time, place.conversation))
    return written if place.is_exact else _NOTED + written


def _shown_bytes(last: LeanRow) -> int:
    return VIEW_BYTES + len(last.row.conversation) + lean_bytes(last)


def _peers_read(tx: Transaction, user: str, names: list[str]) -> dict[str, int]:
    """{conversation: how far the peer has read} of the private conversations among `names`."""
    peers: dict[tuple[str, str], str] = {}
    for name in names:
        parsed = ids.parse_conversation(name)
        if parsed is not None and parsed.kind == "p" and parsed.users[0] != parsed.users[1]:
            peer = parsed.users[1] if parsed.users[0] == user else parsed.users[0]
            peers[peer, name] = name
    return {pair[1]: read_seq for pair, (read_seq, _) in cursors.get(tx, sorted(peers)).items()}


def _view(view: ViewRow, last: MessageRow, mentioned: bool, peer_read_seq: int | None) -> replies.ConversationView:
    return replies.ConversationView(
        conversation=view.conversation,
        max_seq=view.max_seq,
        read_seq=view.read_seq,
        unread=min(view.unread, MAX_UNREAD),
        mentioned=mentioned,
        last=message_of(last),
        pinned=False,
        muted=False,
        draft="",
        peer_read_seq=peer_read_seq,
    )


def list_conversations(work: Work, services: Services) -> Outcome:
    """A page of at most `limit` conversations, and of 96 KiB with their last messages. Raises ImError bad_field for an
    `after` that was no `next`."""
    user, args = work.sender.user, work.args
    with services.database.reading() as tx:
        places = recent.page(tx, user, _place(args.after), args.limit + 1)
        views = conversations.views(tx, user, [place.conversation for place in places[: args.limit]])
        chosen = {place.conversation: place for place in places if place.conversation in views}
        tops = [(name, views[name].max_seq) for name in chosen]
        lasts = messages.whole(tx, fit(messages.lean(tx, tops), _shown_bytes))
        shown = [views[last.conversation] for last in lasts]
        mentioned = mentions.mentioned(tx, user, {view.conversation: view.read_seq for view in shown if view.unread})
        peers_read = _peers_read(tx, user, [view.conversation for view in shown])
    listed = [
        _view(view, last, view.conversation in mentioned, peers_read.get(view.conversation))
        for view, last in zip(shown, lasts, strict=True)
    ]
    is_cut = len(shown) < len(tops) or len(places) > args.limit
    next_ = _after(chosen[shown[-1].conversation]) if is_cut and shown else None
    return replied(replies.Conversations(conversations=listed, next=next_))
