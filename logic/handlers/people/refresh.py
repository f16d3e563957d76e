"""token.refresh (protocol.md section 5): new tokens for a refresh token (logic/refresh_tokens.py has its laws).

Who shows a good refresh token is its session, and its cid is one of that user's. Without a cid of its own it needs
none: however often a token is shown, it comes to the same.
"""

from __future__ import annotations

from logic.once import Write, claim
from logic.outcome import Outcome, replied
from logic.refresh_tokens import GRACE_MS, MAX_ROTATIONS, Family, Shown, first_of_family, hashed
from logic.services import Services
from logic.work import Work
from protocol import codec, replies
from protocol.errors import rate_limited, unauthenticated
from protocol.models import Revocation
from store.errors import Contention
from store.tables import sessions, users
from store.tables.sessions import SessionRow
from store.transaction import Transaction


def refresh_token(work: Work, services: Services) -> Outcome:
    """A token, and the refresh token after the one that is shown. Refusals: unauthenticated, also for one that is shown
    too late, which ends its session; conflict; rate_limited for more than 60 new ones in 60 s."""
    token, now = work.args.refresh, services.now_ms()
    with services.database.transaction() as tx:
        session = _session_of(tx, token)
        if session.revoked is not None or session.expires <= now:
            return _refused(session, now)
        shown = services.refresh_tokens.show(token, _family(session), now)
        if shown is None:
            sessions.revoke(tx, [session.id], now)
            return _refused(session._replace(revoked=now), now)
        if work.has_own_cid:
            claim(tx, Write(session.user, work.args.cid, work.digest()), work.op.name, now)
        if shown.family != _family(session):
            _rotate(tx, session, shown, now, now + services.refresh_s * 1000)
    access, expires = services.signer.issue(session.user, session.id, session.terminal, session.device, now)
    return replied(replies.Tokens(access, shown.successor, expires))


def _session_of(tx: Transaction, token: str) -> SessionRow:
    session = sessions.by_refresh(tx, hashed(first_of_family(token)))
    user = None if session is None else users.get(tx, [session.user]).get(session.user)
    if session is None or user is None or user.disabled:
        raise unauthenticated()
    return session


def _refused(session: SessionRow, now: int) -> Outcome:
    """Of a session that ended just now, maybe because of this very token, the gateways are told each time: nobody knows
    whether they heard of it."""
    is_fresh = session.revoked is not None and now - session.revoked <= GRACE_MS
    return Outcome(unauthenticated(), [Revocation([session.id], "logged_out")] if is_fresh else [])


def _family(session: SessionRow) -> Family:
    rotated: list[int] = codec.read(session.rotated) if session.rotated else []
    return Family(session.newest_hash or session.refresh_hash, tuple(rotated))


def _rotate(tx: Transaction, session: SessionRow, shown: Shown, now: int, ends: int) -> None:
    newest_hash, rotated = shown.family
    if len(rotated) > MAX_ROTATIONS:
        raise rate_limited(max(1, (rotated[-1] + GRACE_MS - now) // 1000 + 1))
    if not sessions.rotate(tx, session, newest_hash, codec.write(rotated).decode(), ends):
        raise Contention("the same token was shown at the same time, or the session was ended")
