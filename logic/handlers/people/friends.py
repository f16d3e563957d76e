"""friend.request (protocol.md section 5): run by the owner of the private conversation of the two.

Laws: of one user to another at most one request waits for an answer, however often it is made. Its notice stands in the
`s:{user}` of the user who is asked, and so reaches somebody who is away.
"""

from __future__ import annotations

from logic.emitting import Emission
from logic.once import once
from logic.outcome import Outcome
from logic.scope import Scope
from logic.work import Work
from protocol import args, ids, replies
from protocol.errors import bad_field, not_found
from store.tables import friends, users
from store.tables.friends import RequestRow


def request(work: Work, scope: Scope) -> Outcome:
    """Ask a user to be a friend. Raises ImError not_found; bad_field for asking oneself; conflict."""
    user, peer, text = work.sender.user, work.args.user, work.args.text

    def decide() -> replies.Reply:
        if peer == user:
            raise bad_field("user", "somebody else")
        if peer not in users.existing(scope.tx, [peer]):
            raise not_found()
        if friends.request(scope.tx, user, peer) is None:
            friends.put_request(scope.tx, RequestRow(user, peer, text, scope.now_ms))
            body = {"event": "friend_request", "user": user} | ({"text": text} if text else {})
            notice = args.AppendNotice(ids.notice_conversation(peer), body)
            scope.emit(work, Emission("notice.append", peer, notice))
        return replies.Reply()

    return once(work, scope, decide)
