"""MariaDB and MySQL through PyMySQL.

Laws: every wait has an end (connect, read and write timeouts, lock waits of 2 s). Whatever fails while a connection is
opened is `StoreAway`. An exchange that failed or timed out closes its connection: the next answer on it would be to an
earlier question.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.constants import CLIENT, CR, ER

from store.engines.dialect import Dialect, MysqlDialect, constraint_of_key, written_table
from store.engines.engine import Row, WhileWaiting
from store.engines.mysql_connection import OverlappingConnection
from store.engines.mysql_literals import insert_statements
from store.errors import AlreadyDone, BadValue, CannotWrite, Contention, Duplicate, StoreAway, StoreError

_SQL_MODE = "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO"
_LOCK_WAIT_S = 2
_IDLE_IN_TRANSACTION_S = 3  # the server ends the connection of a worker that hangs, so that its locks are free

# Error numbers of the server, by the reaction that each asks for.
_DUPLICATE = frozenset({1062, 1586})
_CONTENTION = frozenset({1020, 1205, 1206, 1213, 1317, 1969, 3024})
_DONE = frozenset({1050, 1060, 1061, 1091})
_BAD_VALUE = frozenset({1048, 1153, 1264, 1265, 1267, 1292, 1300, 1364, 1366, 1406, 3819, 4025})
# Too many connections, handshake, shutdown, killed, not in the cluster; files that cannot be read or written.
_AWAY = frozenset(
    {3, 1026, 1030, 1040, 1041, 1042, 1043, 1047, 1053, 1077, 1079, 1080, 1081, 1129, 1152, 1156, 1157, 1158, 1159}
    | {1160, 1161, 1180, 1184, 1203, 1226, 1878, 1927, 3032, 4031}
)
# Disk full (also of temporary files), table full, read-only; or one of _AWAY for want of room.
_UNWRITABLE = frozenset({20, 1021, 1114, 1290, 1836, 3675})
_NO_ROOM = re.compile(rf"[Nn]o space left|[Qq]uota exceeded|[Ee]rr(?:no|code|or):? (?:{errno.ENOSPC}|{errno.EDQUOT})\b")
_KEY = re.compile(r"for key '([^']*)'\Z")


class MysqlEngine:
    """The Engine of one database of one server. The password is in no repr and no log."""

    errors: tuple[type[Exception], ...] = (pymysql.MySQLError, UnicodeEncodeError, OverflowError, OSError)

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        database: str,
        connect_timeout_s: float,
        read_timeout_s: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Without `tls` nothing is encrypted, whatever the server offers: PyMySQL by itself takes what it offers and
        verifies nothing."""
        self.dialect: Dialect = MysqlDialect()
        self.wait_s = connect_timeout_s
        self._name = f"mysql {host}:{port}/{database}"
        self._options: dict[str, Any] = {
            "host": host,
            "port": port,
            "user": user,
            "password": password,
            "database": database,
            "connect_timeout": connect_timeout_s,
            "read_timeout": read_timeout_s,
            "write_timeout": read_timeout_s,
            "charset": "utf8mb4",
            "autocommit": False,
            "local_infile": False,
            "ssl": tls,
            "ssl_disabled": tls is None,
            "client_flag": CLIENT.FOUND_ROWS,  # a row count counts the rows found, as SQLite's does
            "sql_mode": _SQL_MODE,
        }

    def __repr__(self) -> str:
        return self._name

    def open(self) -> OverlappingConnection:
        try:
            raw = OverlappingConnection(**self._options)
        except RuntimeError as error:  # PyMySQL lacks what this server's way to log in needs
            raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, str(error)) from error
        try:
            with raw.cursor() as cursor:
                raw.ends_idle_transactions = _bound_locks(cursor)
        except BaseException:
            raw.close()
            raise
        return raw

    def begin(self, raw: Any, write: bool) -> None:
        """All that one transaction reads is of one moment. One that writes sees what is committed at each statement: it
        must find what others wrote just now, and locks no gaps. The session keeps the level, since a connection mostly
        does one or the other: so it costs no statement of its own each time."""
        if raw.reads_snapshots is not (not write):
            level = "READ COMMITTED" if write else "REPEATABLE READ"
            raw.query(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            raw.reads_snapshots = not write
        if not write:
            raw.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            return
        if not raw.ends_idle_transactions:
            raw.is_bound = True
            raw.query(f"SET SESSION wait_timeout={_IDLE_IN_TRANSACTION_S}")
        raw.begin()

    def end(self, raw: Any) -> None:
        """A connection of MySQL may lie in the pool for long again; if that cannot be said, it is found dead there."""
        if raw.is_bound:
            raw.is_bound = False
            if raw.open:
                with suppress(*self.errors):
                    raw.query("SET SESSION wait_timeout=DEFAULT")

    def insert(
        self, cursor: Any, head: str, rows: Sequence[Row], tail: str, while_waiting: WhileWaiting | None = None
    ) -> int:
        count = 0
        for statement in insert_statements(head, rows, tail):
            cursor.connection.while_waiting = while_waiting
            count += cursor.execute(statement)
        return count

    def lock(self, cursor: Any, name: str) -> bool:
        cursor.execute("SELECT GET_LOCK(CONCAT(DATABASE(), %s), 1)", ("." + name,))
        return bool(cursor.fetchone()[0])

    def unlock(self, cursor: Any, name: str) -> None:
        cursor.execute("SELECT RELEASE_LOCK(CONCAT(DATABASE(), %s))", ("." + name,))

    def error(self, error: Exception, sql: str) -> StoreError:
        if isinstance(error, UnicodeEncodeError | OverflowError):
            return BadValue(type(error).__name__)
        code = error.args[0] if error.args else None
        said = f"{type(error).__name__}: {error}"
        if code in _UNWRITABLE or (code in _AWAY and _NO_ROOM.search(said)):
            return CannotWrite(said)
        if not isinstance(code, int) or code == 0 or 2000 <= code < 3000 or code in _AWAY or isinstance(error, OSError):
            # Without a number: PyMySQL about a broken stream or a closed connection. 2xxx: numbers of client libraries.
            return StoreAway(said)
        if code in _DUPLICATE:
            key = _KEY.search(str(error.args[-1]))
            return Duplicate(constraint_of_key(written_table(sql), key.group(1) if key else "?"))
        if code in _CONTENTION:
            return Contention(said)
        if code in _DONE:
            return AlreadyDone(said)
        if code in _BAD_VALUE or isinstance(error, pymysql.DataError):
            return BadValue(said)
        return StoreError(said)


def _bound_locks(cursor: Any) -> bool:
    """Bound how long a worker that hangs can hold its locks. Whether the server ends idle transactions by itself: MySQL
    only ends idle connections."""
    cursor.execute(f"SET SESSION innodb_lock_wait_timeout={_LOCK_WAIT_S}")
    try:
        cursor.execute(f"SET SESSION idle_transaction_timeout={_IDLE_IN_TRANSACTION_S}")
    except pymysql.MySQLError as error:
        if error.args[0] != ER.UNKNOWN_SYSTEM_VARIABLE:
            raise
        return False
    return True
