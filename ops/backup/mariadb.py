"""The database of a cluster as a whole: dumped while it is used, put into another one, and two of them exchanged.

Laws: a dump is of one moment, and locks nothing. Passwords are in files for our eyes only, never on a command line.
What a dump says is carried out with the rights of our user, in a database of its own.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from conf.sections import StoreSettings
from ops.processes import ProcessFailed
from ops.programs import find_program, plain_environment
from ops.servers.mariadb import administer, client_configuration, create_database, drop_database
from ops.templates import write_private

CHUNK_BYTES = 1024 * 1024
TABLES_FREE_WITHIN_S = 20  # less than `administer` waits, so that its answer is the last word
# --quick: rows go out as they are read. Our user has no right to look at tablespaces, and needs none.
DUMP = ("--single-transaction", "--skip-lock-tables", "--skip-add-locks", "--skip-disable-keys", "--quick")
DUMP_TEXT = ("--hex-blob", "--no-tablespaces", "--skip-triggers", "--default-character-set=utf8mb4")


class Sink(Protocol):
    """What takes bytes."""

    def write(self, chunk: bytes) -> int: ...


def dump(settings: StoreSettings, var: Path, target: Sink) -> None:
    """Write the database as SQL, as it is at this moment. Raises ProcessFailed, MissingServer."""
    program = find_program("mariadb-dump", "mysqldump")
    with _client_file(settings, var) as client, tempfile.TemporaryFile() as said:
        argv = [program, f"--defaults-file={client}", *DUMP, *DUMP_TEXT, settings.database]
        with subprocess.Popen(argv, env=plain_environment(), stdout=subprocess.PIPE, stderr=said) as dumping:
            assert dumping.stdout is not None
            try:
                while chunk := dumping.stdout.read(CHUNK_BYTES):
                    target.write(chunk)
            except BaseException:
                dumping.kill()
                raise
        _require_success(dumping.returncode, said, "the database could not be dumped")


def load(settings: StoreSettings, var: Path, put_dump: Callable[[IO[bytes]], None]) -> None:
    """Carry out the dump that `put_dump` writes in the empty database `settings.database`. Raises ProcessFailed,
    MissingServer, and what `put_dump` raises."""
    program = find_program("mariadb", "mysql")
    with _client_file(settings, var) as client, tempfile.TemporaryFile() as said:
        argv = [program, f"--defaults-file={client}", "--batch", settings.database]
        with subprocess.Popen(
            argv, env=plain_environment(), stdin=subprocess.PIPE, stdout=said, stderr=said
        ) as loading:
            assert loading.stdin is not None
            try:
                put_dump(loading.stdin)
                loading.stdin.close()
            except BrokenPipeError:  # it has ended, and said why
                pass
            except BaseException:
                loading.kill()
                raise
        _require_success(loading.returncode, said, "the backup could not be read into a database")


def make_room(settings: StoreSettings, var: Path) -> None:
    """An empty database `settings.database` for our user, in place of one that a former try has left."""
    drop_database(settings, var, settings.database)
    create_database(settings, var, settings.database)


def exchange(settings: StoreSettings, var: Path, fresh: str, aside: str) -> None:
    """Put the tables of the database `fresh` in place of ours, which go to the new database `aside`: by one statement,
    so that all have gone or none. `fresh` is gone then. Raises ProcessFailed, also while a backup reads our tables."""
    ours = settings.database
    create_database(settings, var, aside)
    moves = [f"`{ours}`.`{table}` TO `{aside}`.`{table}`" for table in _tables(var, ours)]
    moves += [f"`{fresh}`.`{table}` TO `{ours}`.`{table}`" for table in _tables(var, fresh)]
    administer(var, f"SET lock_wait_timeout = {TABLES_FREE_WITHIN_S};\nRENAME TABLE {', '.join(moves)};\n")
    drop_database(settings, var, fresh)


def _tables(var: Path, database: str) -> Sequence[str]:
    sql = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}' ORDER BY table_name;\n"
    return administer(var, sql).split()


@contextmanager
def _client_file(settings: StoreSettings, var: Path) -> Iterator[Path]:
    path = write_private(var / "run" / "mariadb-backup.cnf", client_configuration(settings))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _require_success(code: int, said: IO[bytes], what: str) -> None:
    if code != 0:
        said.seek(0)
        raise ProcessFailed(f"{what}: {said.read(2000).decode(errors='replace').strip()}")
