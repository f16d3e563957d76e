"""scripts/backup.sh and scripts/restore.sh over a SQLite store, and every file that restore refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from logic.app import open_store
from ops.backup import archive, standalone
from store import meta
from store.database import Database
from store.engines import sqlite_files
from store.tables import messages, sessions
from tests.deployments import StandaloneDeployment
from tests.private_servers import ROOT
from tests.store.rows import NOW_MS, message, session

C = "p:ann:bob"


class Keeper:
    """A store of standalone that nobody serves, and the two scripts."""

    def __init__(self, var: Path) -> None:
        self.deployment = StandaloneDeployment(var)
        self.var = var
        self.settings = self.deployment.settings
        self.path = var / self.settings.store.path
        self.file = var / "kept.zip"

    def open(self) -> Database:
        database = open_store(self.settings, connections=1)
        meta.initialise(database, self.settings.partitions)
        return database

    def write(self, *seqs: int) -> None:
        database = self.open()
        with database.transaction() as tx:
            messages.insert(tx, [message(C, seq) for seq in seqs])
        database.close()

    def read(self) -> list[int]:
        database = self.open()
        with database.reading() as tx:
            found = [row.seq for row in messages.after(tx, C, 0, 1000)]
        database.close()
        return found

    def epoch(self) -> str:
        database = self.open()
        with database.reading() as tx:
            epoch = meta.epoch(tx)
        database.close()
        return epoch

    def run(self, verb: str, *words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HONGYAN_CONFIG": str(self.deployment.config), **settings}
        argv = [str(ROOT / "scripts" / f"{verb}.sh"), *map(str, words)]
        return subprocess.run(
            argv, check=False, env=environment, cwd=self.var, capture_output=True, text=True, timeout=100
        )

    def backed_up(self) -> Path:
        done = self.run("backup", self.file)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.file

    def beside(self) -> set[str]:
        """What lies in the directory of the store, but for its lock."""
        return {path.name for path in self.path.parent.iterdir()} - {f"{self.path.name}.lock"}

    def refused(self, *words: str | Path) -> str:
        """What a restore says that fails; the store is what it was."""
        before = (self.epoch(), self.read(), self.beside())
        done = self.run("restore", *words)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stdout + done.stderr
        assert (self.epoch(), self.read(), self.beside()) == before
        return done.stderr

    def rewrite(self, **changes: Any) -> Path:
        """The backup, with another description."""
        said = msgspec.json.decode(zipfile.ZipFile(self.file).read(archive.DESCRIPTION))
        origin = {**said["origin"], **changes.pop("origin", {})}
        other = self.var / "rewritten.zip"
        with zipfile.ZipFile(self.file) as source, zipfile.ZipFile(other, "w") as target:
            target.writestr(archive.CONTENT[origin["kind"]], source.read("store.sqlite3"))
            target.writestr(archive.DESCRIPTION, msgspec.json.encode({**said, **changes, "origin": origin}))
        return other


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(tmp_path)
    made.write(1, 2)
    yield made
    made.deployment.stop()


def test_what_is_put_back_is_what_was_and_has_a_new_epoch(keeper: Keeper) -> None:
    epoch = keeper.epoch()
    file = keeper.backed_up()
    keeper.write(3, 4)
    done = keeper.run("restore", file)
    assert done.returncode == 0, done.stderr
    assert keeper.read() == [1, 2]
    assert keeper.epoch() != epoch
    (kept,) = keeper.path.parent.glob(f"{keeper.path.name}.before_*")
    assert str(kept) in done.stdout
    kept.replace(keeper.path)
    assert (keeper.read(), keeper.epoch()) == ([1, 2, 3, 4], epoch)


def test_a_backup_is_one_private_file_that_says_what_it_is_of(keeper: Keeper) -> None:
    mask = os.umask(0)
    try:
        file = keeper.backed_up()
    finally:
        os.umask(mask)
    assert file.stat().st_mode & 0o777 == 0o600
    said = archive.describe(file)
    assert (said.version, said.origin.epoch, said.origin.kind) == (archive.version(), keeper.epoch(), "sqlite")
    assert said.origin.schema >= 4
    assert not [path for path in keeper.var.iterdir() if path.name.startswith(".backup") or path.suffix == ".part"]
    again = keeper.run("backup", file)
    assert (again.returncode, "there is a" in again.stderr) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_backup_that_is_stopped_leaves_nothing(keeper: Keeper, number: signal.Signals) -> None:
    program = (
        "import sys, time; from ops.backup import __main__ as backup, archive\n"
        "archive.version = lambda: print('writing', flush=True) or time.sleep(100)\n"
        "sys.exit(backup.main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", program, "--config", str(keeper.deployment.config), "backup"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list((keeper.var / "backups").iterdir())) == 2
        process.send_signal(number)
        assert (process.wait(30), "interrupted" in process.stderr.read()) == (1, True)
    assert not list((keeper.var / "backups").iterdir())


def test_without_a_name_it_goes_to_var(keeper: Keeper) -> None:
    done = keeper.run("backup")
    assert done.returncode == 0, done.stderr
    (file,) = (keeper.var / "backups").iterdir()
    assert file.name.startswith("standalone-") and str(file) in done.stdout
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_so_many_are_kept(keeper: Keeper) -> None:
    folder = keeper.var / "backups"
    folder.mkdir()
    old = ["cluster-20250101T000000Z.zip", *(f"standalone-2025010{day}T000000Z.zip" for day in range(1, 5))]
    for name in (*old, "of-mine.zip"):
        (folder / name).touch()
    assert keeper.run("backup", "--keep", "2").returncode == 0
    left = {path.name for path in folder.iterdir()}
    assert {"cluster-20250101T000000Z.zip", "standalone-20250104T000000Z.zip", "of-mine.zip"} < left
    assert len(left) == 4


def test_a_file_is_where_the_operator_is(keeper: Keeper) -> None:
    for verb in ("backup", "restore"):
        done = keeper.run(verb, "here.zip")
        assert done.returncode == 0, done.stderr
    assert (keeper.var / "here.zip").exists()


def test_a_backup_is_of_one_moment_while_others_write(keeper: Keeper) -> None:
    """A pair of messages is written at a time; no backup has one of them alone, and nobody waits for it."""
    stopping = threading.Event()
    written = [2]

    def write() -> None:
        database = keeper.open()
        while not stopping.is_set():
            with database.transaction() as tx:
                messages.insert(tx, [message(C, written[0] + 1), message(C, written[0] + 2)])
            written[0] += 2
        database.close()

    writing = threading.Thread(target=write)
    writing.start()
    try:
        before = written[0]
        file = keeper.backed_up()
        assert written[0] > before
    finally:
        stopping.set()
        writing.join()
    assert keeper.run("restore", file).returncode == 0
    found = keeper.read()
    assert len(found) % 2 == 0
    assert before <= len(found) < written[0]


def test_what_is_damaged_is_refused_before_anything_is_touched(keeper: Keeper) -> None:
    whole = keeper.backed_up().read_bytes()
    keeper.write(3)
    for name, content in {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "overwritten": whole[:300] + bytes(100) + whole[400:],
        "no backup": b"PK is how it begins",
    }.items():
        other = keeper.var / f"{name}.zip"
        other.write_bytes(content)
        said = keeper.refused(other)
        assert "is no backup" in said or "is damaged" in said, name
    assert "No such file" in keeper.refused(keeper.var / "nowhere.zip")


def test_any_bit_that_is_not_what_it_was_is_named_or_harmless(tmp_path: Path) -> None:
    """Nothing but BadBackup is raised, whatever zlib, bz2 or the zip's own tables say."""
    path = tmp_path / "whole.zip"
    content = bytes(range(256))
    archive.write(path, archive.Origin("sqlite", 5, "an epoch", 4), lambda target: target.write(content) and None)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            archive.verify(path, archive.describe(path))
        except archive.BadBackup as bad:
            assert str(path) in str(bad)
            refused += 1
    assert refused > len(content)


def test_what_does_not_fit_is_refused_with_a_sentence(keeper: Keeper) -> None:
    keeper.backed_up()
    assert "set partitions = 3" in keeper.refused(keeper.rewrite(origin={"partitions": 3}))
    assert "by a newer version" in keeper.refused(keeper.rewrite(origin={"schema": 999}))
    assert "the store here is sqlite" in keeper.refused(keeper.rewrite(origin={"kind": "mysql"}))
    assert "in a format" in keeper.refused(keeper.rewrite(format=2))
    assert "is damaged" in keeper.refused(keeper.rewrite(sha256="0" * 64))


def test_nothing_is_put_back_under_a_system_that_runs(keeper: Keeper) -> None:
    file = keeper.backed_up()
    keeper.deployment.start()
    assert "standalone runs" in keeper.refused(file)
    assert "standalone runs" in keeper.refused("--renew-epoch")
    keeper.deployment.stop()
    assert keeper.run("restore", file).returncode == 0


def test_nothing_is_started_while_a_backup_is_put_back(keeper: Keeper) -> None:
    """Its writes would go into the file that is being replaced, and its write-ahead log into the next one."""
    words = [sys.executable, str(ROOT / "standalone.py"), "--config", str(keeper.deployment.config)]
    with standalone.exclusive(keeper.settings):
        done = subprocess.run(words, check=False, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if not line.startswith("{")] == [
        f"standalone: another process serves {keeper.path}, or puts a backup in its place"
    ]


def test_a_store_that_a_process_without_a_pid_file_serves_is_left_alone(keeper: Keeper) -> None:
    file = keeper.backed_up()
    with sqlite_files.served_alone(keeper.path):
        done = keeper.run("restore", file)
    assert (done.returncode, "another process serves" in done.stderr) == (1, True)


def test_a_store_that_another_process_has_open_is_left_alone(keeper: Keeper) -> None:
    """Started without the scripts, so that there is no pid file."""
    file = keeper.backed_up()
    holder = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM meta').fetchall();"
    words = [sys.executable, "-c", holder + "print('open', flush=True); sys.stdin.read()", str(keeper.path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        done = keeper.run("restore", file)
        assert (done.returncode, "another process has" in done.stderr) == (1, True)
        assert process.stdin is not None
        process.stdin.close()


def test_sessions_can_be_ended(keeper: Keeper) -> None:
    database = keeper.open()
    with database.transaction() as tx:
        sessions.insert(tx, session("s1", expires=NOW_MS * 2))
    database.close()
    file = keeper.backed_up()
    for words, is_ended in (((), False), (("--end-sessions",), True)):
        assert keeper.run("restore", file, *words).returncode == 0
        database = keeper.open()
        with database.reading() as tx:
            assert (sessions.get(tx, ["s1"])["s1"].revoked is not None) == is_ended
        database.close()


def test_the_epoch_is_renewed_after_something_else_has_put_the_data_back(keeper: Keeper) -> None:
    epoch = keeper.epoch()
    done = keeper.run("restore", "--renew-epoch")
    assert done.returncode == 0, done.stderr
    assert (keeper.epoch() != epoch, keeper.read()) == (True, [1, 2])


@pytest.mark.parametrize("words", [(), ("a.zip", "--renew-epoch"), ("--sideways",)])
def test_wrong_usage_is_2(keeper: Keeper, words: tuple[str, ...]) -> None:
    assert keeper.run("restore", *words).returncode == 2
    assert keeper.run("backup", "a.zip", "--keep", "1").returncode == 2


def test_of_standalone_it_needs_no_configuration(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HONGYAN_CONFIG"}
    environment["HONGYAN_VAR"] = str(tmp_path)
    argv = [str(ROOT / "scripts" / "backup.sh"), "--standalone"]
    done = subprocess.run(argv, check=False, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert f"there is no {tmp_path}/standalone/hongyan.sqlite3: nothing was ever stored" in done.stderr
