"""session.open and session.refresh: what a gateway must know of a user before it serves it (docs/architecture.md)."""

from __future__ import annotations

from logic.handlers.people.accounts import user_reply
from logic.outcome import Outcome, replied
from logic.services import Services
from logic.work import Work
from protocol import replies
from protocol.errors import unauthenticated
from store.tables import groups, sessions, users
from store.tables.sessions import SessionRow


def _stands(row: SessionRow | None, user: str, now: int) -> bool:
    return row is not None and row.user == user and row.revoked is None and row.expires > now


def open_all(works: list[Work], services: Services) -> list[Outcome]:
    """Answer a list of logins by three reads: of sessions, of users, of their groups. Only a login that succeeds tells
    others its takeover. Refusals among the outcomes: unauthenticated for a session that is not valid or a disabled
    user."""
    now = services.now_ms()
    wanted = sorted({work.args.user for work in works})
    with services.database.reading() as tx:
        known = sessions.get(tx, sorted({work.args.session for work in works}))
        profiles = users.get(tx, wanted)
        memberships = groups.groups_of(tx, wanted)
    outcomes = []
    for work in works:
        user = profiles.get(work.args.user)
        if user is None or user.disabled or not _stands(known.get(work.args.session), user.id, now):
            outcomes.append(Outcome(unauthenticated()))
            continue
        opened = replies.SessionOpened(user_reply(user), services.epoch, memberships.get(user.id, {}))
        takeover = work.args.takeover
        outcomes.append(replied(opened, takeover) if takeover is not None else replied(opened))
    return outcomes


def refresh(work: Work, services: Services) -> Outcome:
    """Tell a gateway what it may have missed: which of its sessions ended, and the groups of all its users."""
    asked: dict[str, str] = work.args.sessions
    now = services.now_ms()
    wanted = sorted(set(asked.values()))
    with services.database.reading() as tx:
        known = sessions.get(tx, sorted(asked))
        profiles = users.get(tx, wanted)
        memberships = groups.groups_of(tx, wanted)
    alive = {user for user, row in profiles.items() if not row.disabled}
    ended = [s for s, user in asked.items() if user not in alive or not _stands(known.get(s), user, now)]
    refreshed = replies.SessionsRefreshed(ended, {user: memberships.get(user, {}) for user in wanted})
    return replied(refreshed, *work.args.takeovers)
