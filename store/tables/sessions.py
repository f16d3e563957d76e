"""Sessions: one for each login of a device. A refresh token is never stored, only its hash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from store.transaction import Transaction


class SessionRow(NamedTuple):
    """A session. `refresh_hash` is of the refresh token that is good now, `previous_hash` of the one that was shown for
    it, both hexadecimal; `refresh_cid` is the cid of that rotation.

    `issued`, `expires` and `revoked` in ms; `revoked` is None for a session that was not ended.
    """

    id: str
    user: str
    terminal: str
    device: str
    refresh_hash: str
    previous_hash: str | None
    refresh_cid: str | None
    issued: int
    expires: int
    revoked: int | None = None


_SELECT = f"SELECT {','.join(SessionRow._fields)} FROM sessions WHERE"


def put(tx: Transaction, row: SessionRow) -> None:
    """Insert the session, or replace the one with its id. Raises Duplicate "sessions.refresh_hash" where another
    session has this hash, "sessions.id" where another transaction has just inserted the same."""
    changes = ", ".join(f"{name} = %s" for name in SessionRow._fields[1:])
    # not an upsert: MySQL's takes any unique key and would rewrite the session that has this refresh hash
    if tx.execute(f"UPDATE sessions SET {changes} WHERE id = %s", [*row[1:], row.id]) == 0:
        tx.insert("sessions", SessionRow._fields, [row])


def get(tx: Transaction, ids: Iterable[str]) -> dict[str, SessionRow]:
    """{id: session} of those `ids` that exist, revoked and expired sessions included."""
    rows = tx.rows_in(_SELECT, ("id",), [(session,) for session in ids])
    return {str(row[0]): SessionRow(*row) for row in rows}


def by_refresh(tx: Transaction, refresh_hash: str) -> SessionRow | None:
    """The session whose current or previous refresh token has this hash; None where there is none."""
    for column in ("refresh_hash", "previous_hash"):
        row = tx.row(f"{_SELECT} {column} = %s", (refresh_hash,))
        if row is not None:
            return SessionRow(*row)
    return None


def rotate(
    tx: Transaction,
    session: str,
    new_hash: str,
    old_hash: str,
    cid: str | None,
    expires: int,
    used_hash: str | None = None,
) -> bool:
    """Put the refresh token `new_hash` in place of `old_hash`; returns False, and writes nothing, where the session has
    ended or another rotation came first. `expires` (ms) is the session's new end.

    `used_hash` is the token that the client has shown, where that is not the old one: the client repeats a rotation
    under `cid`, and may repeat it once more.
    """
    changed = tx.execute(
        "UPDATE sessions SET refresh_hash = %s, previous_hash = %s, refresh_cid = %s, expires = %s"
        " WHERE id = %s AND refresh_hash = %s AND revoked IS NULL",
        (new_hash, used_hash or old_hash, cid, expires, session, old_hash),
    )
    return changed > 0


def revoke(tx: Transaction, ids: Iterable[str], now_ms: int) -> None:
    """End sessions at `now_ms`. A session that was ended before keeps its time."""
    sql = "UPDATE sessions SET revoked = %s WHERE revoked IS NULL AND"
    tx.execute_in(sql, ("id",), [(session,) for session in sorted(set(ids))], (now_ms,))


def revoked_at(tx: Transaction, user: str, time_ms: int) -> list[str]:
    """The ids of the user's sessions that were ended at exactly `time_ms`."""
    return [str(i) for (i,) in tx.rows("SELECT id FROM sessions WHERE user = %s AND revoked = %s", (user, time_ms))]


def live(tx: Transaction, user: str, now_ms: int) -> list[str]:
    """The ids of the user's sessions that are neither ended nor expired at `now_ms`, ascending."""
    sql = "SELECT id FROM sessions WHERE user = %s AND revoked IS NULL AND expires > %s ORDER BY id"
    return [str(session) for (session,) in tx.rows(sql, (user, now_ms))]
