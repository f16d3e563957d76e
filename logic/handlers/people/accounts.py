"""account.register, login, logout and password (protocol.md section 5).

Laws: no answer of a login tells whether a user name exists. Who registers or logs in is the account, once its password
was verified: its cid is one of that user's. A retry gets the same tokens, which derive from its session and are never
stored; a session that has ended stays ended. Passwords are hashed outside of transactions, in a lane of their own (some
40 ms each), as often as guessing.py admits.
"""

from __future__ import annotations

import hashlib

from logic.handlers.people import guessing
from logic.handlers.people.guessing import Admitted
from logic.once import Answer, Write, once_in_pool
from logic.outcome import Outcome, replied
from logic.passwords import check_new_password, hash_password, is_password, password_digest
from logic.refresh_tokens import hashed
from logic.scope import WriteScope
from logic.services import Services
from logic.work import Work
from protocol import codec, ids, replies
from protocol.errors import conflict, forbidden, unauthenticated
from protocol.models import Revocation
from protocol.usernames import check_username
from store.errors import Contention
from store.tables import messages, sessions, users
from store.tables.messages import MessageRow
from store.tables.sessions import SessionRow
from store.tables.users import UserRow


def user_reply(row: UserRow) -> replies.User:
    """A user as everybody sees it (protocol.md section 5)."""
    return replies.User(id=row.id, name=row.name, avatar=row.avatar, bio=row.bio)


def _logged_in(
    services: Services,
    work: Work,
    user: UserRow,
    admitted: Admitted,
    terminal: str = "web",
    device: str = "",
    is_new: bool = False,
) -> Outcome:
    """Log `user` in, who has proved by an `admitted` guess to be it: one session for each cid. An account that `is_new`
    is made before. Raises ImError conflict; Duplicate for a user name that another has got meanwhile; Contention where
    the password was changed since: verify it anew."""
    cid = work.args.cid

    def session_at(time_ms: int) -> str:
        return ids.derived_id("session", user.id, cid, str(time_ms))

    def decide(scope: WriteScope) -> replies.Reply:
        if is_new:
            users.insert(scope.tx, user, scope.now_ms)
        elif not users.hold_password(scope.tx, user.id, user.password):
            # Its change ended every session: one that began with the old password must not survive it.
            raise Contention("the password was changed meanwhile: it is to be verified anew")
        guessing.was_right(scope.tx, admitted)
        session = session_at(scope.now_ms)
        sessions.insert(scope.tx, _session_row(services, session, user.id, terminal, device, scope.now_ms))
        return replies.OneUser(user_reply(user))

    def answer(row: MessageRow, is_repeated: bool) -> Outcome:
        """The same tokens each time: they derive from the session, and no other login has its cid and its time."""
        session = session_at(row.time)
        if is_repeated:
            with services.database.transaction() as tx:
                guessing.was_right(tx, admitted)
            _require_standing(services, session)
        token, expires = services.signer.issue(user.id, session, terminal, device, row.time)
        then = codec.decoder_of(replies.OneUser)(row.body).user
        return replied(replies.LoggedIn(then, token, services.refresh_tokens.first(session), expires))

    return once_in_pool(work, services, decide, answer, Write(user.id, cid, work.digest()))


def _session_row(services: Services, session: str, user: str, terminal: str, device: str, now: int) -> SessionRow:
    first, ends = hashed(services.refresh_tokens.first(session)), now + services.refresh_s * 1000
    return SessionRow(session, user, terminal, device, first, None, None, now, ends)


def _require_standing(services: Services, session: str) -> None:
    with services.database.reading() as tx:
        row = sessions.get(tx, [session]).get(session)
    if row is None or row.revoked is not None or row.expires <= services.now_ms():
        raise conflict("the session of this login has ended: log in under another cid")


def register(work: Work, services: Services) -> Outcome:
    """Make an account with a generated id, and log it in. Raises ImError conflict where the user name is taken, except
    by this same registration; bad_field for a name of the system's."""
    args = work.args
    check_username(args.username)
    check_new_password("password", args.password)
    guess = guessing.by_name(services, work)
    with services.database.reading() as tx:
        user = users.by_username(tx, args.username)
    if user is None:
        fresh = UserRow(ids.new_id(), args.username, hash_password(args.password), args.name or args.username)
        return _logged_in(services, work, fresh, Admitted(guess, ()), is_new=True)
    return _logged_in(services, work, user, _registered(work, services, user, guess))


def _registered(work: Work, services: Services, user: UserRow, guess: guessing.Guess) -> Admitted:
    """The name is taken: if it was by this same registration, it is repeated with the same password."""
    with services.database.reading() as tx:
        row = messages.by_cids(tx, [(user.id, work.args.cid)]).get((user.id, work.args.cid))
    is_retry = row is not None and row.digest == work.digest()
    if not is_retry or user.disabled:
        raise conflict("this name is taken")
    admitted = guessing.admit(services, work, guess)
    if not is_password(user.password, work.args.password):
        raise conflict("this name is taken")
    return admitted


def login(work: Work, services: Services) -> Outcome:
    """Start a session for a user name and its password. Raises ImError unauthenticated, whichever of them is wrong;
    rate_limited; conflict where the cid was used for something else, or its session has ended."""
    args = work.args
    admitted = guessing.admit(services, work, guessing.by_name(services, work, args.device))
    with services.database.reading() as tx:
        user = users.by_username(tx, args.username)
    is_right = is_password(user.password if user else None, args.password)
    if user is None or not is_right or user.disabled:
        raise unauthenticated()
    return _logged_in(services, work, user, admitted, args.terminal, args.device)


def change_password(work: Work, services: Services) -> Outcome:
    """Set a new password and end every other session of the user. Raises ImError forbidden for a wrong old password;
    rate_limited; conflict; unauthenticated where the user is gone."""
    args, sender = work.args, work.sender.user
    check_new_password("new", args.new)
    with services.database.reading() as tx:
        user = users.get(tx, [sender]).get(sender)
        is_retry = bool(messages.by_cids(tx, [work.pair]))
    if user is None:
        raise unauthenticated()
    admitted = guessing.admit(services, work, guessing.by_session(work))
    if not is_retry and not is_password(user.password, args.old):
        raise forbidden("the old password is not this one")
    new_hash = "" if is_retry else hash_password(args.new)
    ended: list[str] = []

    def decide(scope: WriteScope) -> replies.Reply:
        if is_retry:  # nobody has verified or hashed anything
            raise Contention("the answer of this write was purged meanwhile: the old password is to be verified")
        if not users.set_password(scope.tx, sender, new_hash, user.password):
            raise Contention("another call changed the password meanwhile: the old one is to be verified anew")
        guessing.was_right(scope.tx, admitted)
        ended[:] = [s for s in sessions.live(scope.tx, sender, scope.now_ms) if s != work.envelope.session]
        sessions.revoke(scope.tx, ended, scope.now_ms)
        return replies.Reply()

    salt = hashlib.blake2b("\0".join(work.pair).encode(), digest_size=16).digest()
    write = Write(*work.pair, password_digest(salt, args.old, args.new))
    return once_in_pool(work, services, decide, _logged_out(services, sender, ended), write)


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
