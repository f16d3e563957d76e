"""session.open, session.refresh and session.check: what a gateway must know of a user to serve it
(docs/architecture.md)."""

from __future__ import annotations

from logic.handlers.people.accounts import user_reply
from logic.outcome import Outcome, replied
from logic.services import Services
from logic.work import Work
from protocol import replies
from protocol.errors import unauthenticated
from store.tables import groups, sessions, users
from store.tables.sessions import SessionRow
from store.tables.users import UserRow

STANDS, EXPIRED, LOGGED_OUT, DISABLED = "", "expired", "logged_out", "disabled"
"""Why a session has ended, as its clients are told; STANDS: it has not."""


def _end(row: SessionRow | None, user: UserRow | None, now: int) -> str:
    if row is None or user is None or row.user != user.id or row.revoked is not None:
        return LOGGED_OUT
    if user.disabled:
        return DISABLED
    return STANDS if row.expires > now else EXPIRED


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
        user, session = profiles.get(work.args.user), known.get(work.args.session)
        if user is None or session is None or _end(session, user, now) != STANDS:
            outcomes.append(Outcome(unauthenticated()))
            continue
        lasts_ms = session.expires - now
        opened = replies.SessionOpened(user_reply(user), services.epoch, memberships.get(user.id, {}), lasts_ms)
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
    ends = {session: _end(known.get(session), profiles.get(user), now) for session, user in asked.items()}
    ended = [session for session, end in ends.items() if end in (LOGGED_OUT, DISABLED)]
    expired = [session for session, end in ends.items() if end == EXPIRED]
    refreshed = replies.SessionsRefreshed(ended, {user: memberships.get(user, {}) for user in wanted}, expired)
    return replied(refreshed, *work.args.takeovers)


def check(work: Work, services: Services) -> Outcome:
    """Tell a gateway which of its sessions have ended, and how long the others last."""
    asked: dict[str, str] = work.args.sessions
    now = services.now_ms()
    with services.database.reading() as tx:
        known = sessions.get(tx, sorted(asked))
        profiles = users.get(tx, sorted(set(asked.values())))
    checked = replies.SessionsChecked({}, {})
    for session, user in asked.items():
        row = known.get(session)
        end = _end(row, profiles.get(user), now)
        if row is None or end != STANDS:
            checked.ended.setdefault(end, []).append(session)
        else:
            checked.lasting[session] = row.expires - now
    return replied(checked)
