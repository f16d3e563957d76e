"""account.register, login, logout, password and token.refresh (protocol.md section 5).

Laws: no answer of a login tells whether a user name exists. A caller without a token is known by its account or its
session: a retry under the same cid ends in the same state, with new tokens, since no token is ever stored. Passwords
are hashed outside of transactions, in a lane of their own (some 40 ms each).
"""

from __future__ import annotations

import hashlib

from logic.once import Answer, once_in_pool
from logic.outcome import Outcome, replied
from logic.passwords import hash_password, is_password
from logic.scope import WriteScope
from logic.services import Services, new_refresh_token
from logic.work import Work
from protocol import ids, replies
from protocol.errors import bad_field, conflict, forbidden, unauthenticated
from protocol.models import Revocation
from store.errors import Contention, Duplicate
from store.tables import messages, sessions, users
from store.tables.messages import MessageRow
from store.tables.sessions import SessionRow
from store.tables.users import UserRow


def user_reply(row: UserRow) -> replies.User:
    """A user as everybody sees it (protocol.md section 5)."""
    return replies.User(id=row.id, name=row.name, avatar=row.avatar, bio=row.bio)


def _hashed(refresh: str) -> str:
    return hashlib.sha256(refresh.encode()).hexdigest()


def _own_cid(work: Work) -> str:
    """The cid, if the client chose it; "" for one that the gateway gave, under which no retry comes."""
    return "" if work.args.cid.startswith("~") else work.args.cid


def _log_in(services: Services, work: Work, user: UserRow, terminal: str, device: str) -> Outcome:
    """Start a session of `user`, whose password was verified; a retry under the client's own cid starts the same
    session again. Raises Contention where the password was changed since: verify it anew."""
    now = services.now_ms()
    cid = _own_cid(work)
    session = ids.derived_id("session", user.id, cid) if cid else ids.new_id()
    refresh = new_refresh_token()
    expires = now + services.refresh_s * 1000
    row = SessionRow(session, user.id, terminal, device, _hashed(refresh), None, "", now, expires, None)
    with services.database.transaction() as tx:
        if not users.hold_password(tx, user.id, user.password):
            # Its change ended every session: one that began with the old password must not survive it.
            raise Contention("the password was changed meanwhile: it is to be verified anew")
        sessions.put(tx, row)
    token, token_expires = services.signer.issue(user.id, session, terminal, device, now)
    return replied(replies.LoggedIn(user_reply(user), token, refresh, token_expires))


def register(work: Work, services: Services) -> Outcome:
    """Make an account with a generated id, and log it in. Raises ImError conflict where the user name is taken, except
    by this same registration; bad_field for a name of the system's."""
    args = work.args
    if args.username.startswith("_"):
        raise bad_field("username", "names that begin with _ are the system's")
    name, hashed = args.name or args.username, hash_password(args.password)
    user = UserRow(ids.new_id(), args.username, hashed, name, None, None, False, args.cid)
    try:
        with services.database.transaction() as tx:
            users.insert(tx, user, services.now_ms())
    except Duplicate:
        user = _registered_before(work, services)
    return _log_in(services, work, user, "web", "")


def _registered_before(work: Work, services: Services) -> UserRow:
    with services.database.reading() as tx:
        user = users.by_username(tx, work.args.username)
    is_retry = user is not None and _own_cid(work) and user.register_cid == work.args.cid
    if user is None or not is_retry or not is_password(user.password, work.args.password):
        raise conflict("this name is taken")
    return user


def login(work: Work, services: Services) -> Outcome:
    """Start a session for a user name and its password. Raises ImError unauthenticated, whichever of them is wrong."""
    args = work.args
    with services.database.reading() as tx:
        user = users.by_username(tx, args.username)
    is_right = is_password(user.password if user else None, args.password)
    if user is None or not is_right or user.disabled:
        raise unauthenticated()
    return _log_in(services, work, user, args.terminal, args.device)


def change_password(work: Work, services: Services) -> Outcome:
    """Set a new password and end every other session of the user. Raises ImError forbidden for a wrong old password;
    conflict; unauthenticated where the user is gone."""
    args, sender = work.args, work.sender.user
    with services.database.reading() as tx:
        user = users.get(tx, [sender]).get(sender)
        is_retry = bool(messages.by_cids(tx, [work.pair]))
    if user is None:
        raise unauthenticated()
    if is_retry and not is_password(user.password, args.new):
        raise conflict()
    if not is_retry and not is_password(user.password, args.old):
        raise forbidden("the old password is not this one")
    hashed = "" if is_retry else hash_password(args.new)
    ended: list[str] = []

    def decide(scope: WriteScope) -> replies.Reply:
        if not users.set_password(scope.tx, sender, hashed, user.password):
            raise Contention("another call changed the password meanwhile: the old one is to be verified anew")
        ended[:] = [s for s in sessions.live(scope.tx, sender, scope.now_ms) if s != work.envelope.session]
        sessions.revoke(scope.tx, ended, scope.now_ms)
        return replies.Reply()

    return once_in_pool(work, services, decide, _logged_out(services, sender, ended))


def logout(work: Work, services: Services) -> Outcome:
    """End this session, or with `all` every session of the user. Raises ImError conflict."""
    sender = work.sender.user
    ended: list[str] = []

    def decide(scope: WriteScope) -> replies.Reply:
        others = sessions.live(scope.tx, sender, scope.now_ms) if work.args.all else []
        ended[:] = sorted({*others, work.envelope.session})
        sessions.revoke(scope.tx, ended, scope.now_ms)
        return replies.Reply()

    return once_in_pool(work, services, decide, _logged_out(services, sender, ended))


def _logged_out(services: Services, user: str, ended: list[str]) -> Answer:
    """Tell the gateways which sessions have `ended`. A retry tells of those that ended with the first write: the store
    is asked for them, which may fail without harm, since nothing else of the write is left to tell."""

    def answer(row: MessageRow, is_repeated: bool) -> Outcome:
        if not is_repeated:
            return replied(replies.Reply(), Revocation(ended, "logged_out"))
        with services.database.reading() as tx:
            return replied(replies.Reply(), Revocation(sessions.revoked_at(tx, user, row.time), "logged_out"))

    return answer


def refresh_token(work: Work, services: Services) -> Outcome:
    """New tokens for a refresh token, which is used up by it; under the same cid it may be used again, in case the
    answer was lost. Raises ImError unauthenticated."""
    now, used = services.now_ms(), _hashed(work.args.refresh)
    refresh, cid = new_refresh_token(), _own_cid(work)
    with services.database.transaction() as tx:
        session = sessions.by_refresh(tx, used)
        if session is None or session.revoked is not None or session.expires <= now:
            raise unauthenticated()
        if session.refresh_hash != used and not (cid and session.refresh_cid == cid):
            raise unauthenticated()
        user = users.get(tx, [session.user]).get(session.user)
        if user is None or user.disabled:
            raise unauthenticated()
        end = now + services.refresh_s * 1000
        if not sessions.rotate(tx, session.id, _hashed(refresh), session.refresh_hash, cid, end, used):
            raise Contention("another call rotated this session's refresh token meanwhile")
    token, expires = services.signer.issue(session.user, session.id, session.terminal, session.device, now)
    return replied(replies.Tokens(token, refresh, expires))
