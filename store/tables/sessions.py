"""Sessions: one for each login of a device. A refresh token is never stored, only its hash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from store.transaction import Transaction


class SessionRow(NamedTuple):
    """A session. `refresh_hash` is of its first refresh token, `newest_hash` of the newest, None where that is still
    the first; both are hexadecimal. `rotated` is JSON: when (ms) the newest tokens came to be, None for none.

    `issued`, `expires` and `revoked` in ms; `revoked` is None for a session that was not ended.
    """

    id: str
    user: str
    terminal: str
    device: str
    refresh_hash: str
    newest_hash: str | None
    rotated: str | None
    issued: int
    expires: int
    revoked: int | None = None


_SELECT = f"SELECT {','.join(SessionRow._fields)} FROM sessions WHERE"


def insert(tx: Transaction, row: SessionRow) -> None:
    """Insert a session. Raises Duplicate "sessions.refresh_hash" where another session has this hash, "sessions.id"
    where there is one of this id, ended or not."""
    tx.insert("sessions", SessionRow._fields, [row])


def get(tx: Transaction, ids: Iterable[str]) -> dict[str, SessionRow]:
    """{id: session} of those `ids` that exist, revoked and expired sessions included."""
    rows = tx.rows_in(_SELECT, ("id",), [(session,) for session in ids])
    return {str(row[0]): SessionRow(*row) for row in rows}


def by_refresh(tx: Transaction, refresh_hash: str) -> SessionRow | None:
    """The session whose first refresh token has this hash, revoked and expired ones included; None where there is
    none."""
    row = tx.row(f"{_SELECT} refresh_hash = %s", (refresh_hash,))
    return None if row is None else SessionRow(*row)


def rotate(tx: Transaction, row: SessionRow, newest_hash: str, rotated: str, expires: int) -> bool:
    """Make another refresh token the newest of the session `row`; returns False, and writes nothing, where the session
    has ended or its newest token is not that of `row` any more. `expires` (ms) is the session's new end."""
    changed = tx.execute(
        "UPDATE sessions SET newest_hash = %s, rotated = %s, expires = %s"
        " WHERE id = %s AND COALESCE(newest_hash, refresh_hash) = %s AND revoked IS NULL",
        (newest_hash, rotated, expires, row.id, row.newest_hash or row.refresh_hash),
    )
    return changed > 0


def revoke(tx: Transaction, ids: Iterable[str], now_ms: int) -> None:
    """End sessions at `now_ms`. A session that was ended before keeps its time."""
    sql = "UPDATE sessions SET revoked = %s WHERE revoked IS NULL AND"
    tx.execute_in(sql, ("id",), [(session,) for session in sorted(set(ids))], (now_ms,))


def revoke_all(tx: Transaction, now_ms: int) -> int:
    """End every session of every user; returns how many that were."""
    return tx.execute("UPDATE sessions SET revoked = %s WHERE revoked IS NULL", (now_ms,))


def revoked_at(tx: Transaction, user: str, time_ms: int) -> list[str]:
    """The ids of the user's sessions that were ended at exactly `time_ms`."""
    return [str(i) for (i,) in tx.rows("SELECT id FROM sessions WHERE user = %s AND revoked = %s", (user, time_ms))]


def live(tx: Transaction, user: str, now_ms: int) -> list[str]:
    """The ids of the user's sessions that are neither ended nor expired at `now_ms`, ascending."""
    sql = "SELECT id FROM sessions WHERE user = %s AND revoked IS NULL AND expires > %s ORDER BY id"
    return [str(session) for (session,) in tx.rows(sql, (user, now_ms))]
