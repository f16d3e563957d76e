"""user.get and user.update (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.people.accounts import user_reply
from logic.once import once_in_pool
from logic.outcome import Outcome, replied
from logic.scope import WriteScope
from logic.services import Services
from logic.work import Work
from protocol import replies
from protocol.errors import bad_field, not_found
from store.tables import users


def get(work: Work, services: Services) -> Outcome:
    """The users that exist among `ids`, in the order of `ids`; those behind `after`. Raises ImError bad_field for an
    `after` that is none of `ids`."""
    wanted, after = list(dict.fromkeys(work.args.ids)), work.args.after
    if after is not None:
        if after not in wanted:
            raise bad_field("after", "the `next` of an earlier answer to the same ids")
        wanted = wanted[wanted.index(after) + 1 :]
    with services.database.reading() as tx:
        found = users.get(tx, wanted)
    return replied(replies.Users(users=[user_reply(found[user]) for user in wanted if user in found]))


def update(work: Work, services: Services) -> Outcome:
    """Change the caller's own name, avatar or bio. Raises ImError not_found where the user is gone; conflict."""
    args, sender = work.args, work.sender.user

    def decide(scope: WriteScope) -> replies.Reply:
        users.update(scope.tx, sender, name=args.name, avatar=args.avatar, bio=args.bio)
        row = users.get(scope.tx, [sender]).get(sender)
        if row is None:
            raise not_found()
        return replies.OneUser(user_reply(row))

    return once_in_pool(work, services, decide)
