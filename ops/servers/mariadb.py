"""A private MariaDB or MySQL: data below var/mariadb, reached by its user over TCP, by the administrator by socket.

Laws: the database and its least-privileged user are set up again at every start from a file that only the owner may
read and that is removed once the server serves; no password is ever on a command line.
"""

from __future__ import annotations

import getpass
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from conf.sections import StoreSettings
from ops.processes import Process, ProcessFailed
from ops.programs import find_program, plain_environment
from ops.servers.flavour import Flavour, installed
from ops.templates import fill_template, write_private

ANSWER_S = 60
SOCKET_PATH_LIMIT = 100  # sockaddr_un holds 107 bytes, on macOS 103
PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES"


def mariadb_process(settings: StoreSettings, var: Path) -> Process:
    """MariaDB or MySQL on `settings.port`; its data directory is made at the first start."""
    client = var / "run" / "mariadb-client.cnf"

    def command() -> list[str]:
        flavour = installed()
        _install(flavour, var)
        write_private(client, client_configuration(settings))
        write_private(_administrator_file(var), _administrator_configuration(flavour, settings, var))
        return [flavour.program, f"--defaults-file={_write_configuration(flavour, settings, var)}"]

    return Process(
        "mariadb",
        command,
        var,
        lambda: _serves(client),
        env=plain_environment(),
        port=settings.port,
        stop_s=30.0,
    )


def forget_set_up(var: Path) -> None:
    """Remove the file with the set-up statements, which holds the password."""
    _set_up_file(var).unlink(missing_ok=True)


def socket_path(var: Path) -> Path:
    """The administrator's socket: below var, or in the temporary directory where that path would be too long."""
    path = var / "run" / "mariadb.sock"
    if len(str(path).encode()) <= SOCKET_PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"hongyan-{hashlib.sha256(str(var).encode()).hexdigest()[:16]}.sock"


def administer(var: Path, sql: str) -> str:
    """Run `sql` as the administrator of the private server. Raises ProcessFailed; then also, what takes longer than
    ANSWER_S may still come to pass."""
    argv = [find_program("mariadb", "mysql"), f"--defaults-file={_administrator_file(var)}"]
    argv += ["--batch", "--skip-column-names"]
    try:
        done = subprocess.run(
            argv, check=False, input=sql, env=plain_environment(), capture_output=True, text=True, timeout=ANSWER_S
        )
    except subprocess.TimeoutExpired:
        raise ProcessFailed(f"the store's server has not answered within {ANSWER_S} s") from None
    if done.returncode != 0:
        raise ProcessFailed(f"the store's server refused: {done.stderr.strip()}")
    return done.stdout.strip()


def create_database(settings: StoreSettings, var: Path, database: str) -> None:
    """An empty database `database` for the user of `settings`."""
    administer(var, f"CREATE DATABASE `{database}`;\n{_grant(settings.user, database)}")


def drop_database(settings: StoreSettings, var: Path, database: str) -> None:
    """Remove a database with all that it holds, where there is one, and the rights of the user of `settings` on it."""
    account, escaped = f"'{settings.user}'@'127.0.0.1'", database.replace("_", "\\_")
    # a REVOKE of what was never granted is an error, and a database that is there has its grant
    if administer(var, f"SHOW DATABASES LIKE '{escaped}';\n"):
        administer(var, f"DROP DATABASE `{database}`;\nREVOKE ALL ON `{escaped}`.* FROM {account};\n")


def _set_up_file(var: Path) -> Path:
    return var / "run" / "mariadb-init.sql"


def _administrator_file(var: Path) -> Path:
    return var / "run" / "mariadb-administrator.cnf"


def _write_configuration(flavour: Flavour, settings: StoreSettings, var: Path) -> Path:
    values = {
        "directory": var / "mariadb",
        "temporary": _temporary_directory(var),
        "socket": socket_path(var),
        "port": settings.port,
        "account": getpass.getuser(),
        "init_file": write_private(_set_up_file(var), _set_up_sql(flavour, settings)),
    }
    return fill_template("mariadb.cnf", var / "run" / "mariadb.cnf", values)


def _temporary_directory(var: Path) -> Path:
    """One of its own: another server that starts clears what it finds in a shared one."""
    temporary = var / "mariadb.tmp"
    temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
    return temporary


def _install(flavour: Flavour, var: Path) -> None:
    directory = var / "mariadb"
    if directory.exists():
        if not flavour.made(directory):
            other = "MariaDB" if flavour.is_mysql else "MySQL"
            raise ProcessFailed(
                f"the data in {directory} was made by {other}, which {flavour.name} cannot read: start it with "
                f"{other}, dump it and load it into a new one, or name another directory by HONGYAN_VAR."
            )
        return
    unfinished = directory.with_name(directory.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    argv = flavour.install_command(unfinished)
    environment = plain_environment(TMPDIR=str(_temporary_directory(var)))
    done = subprocess.run(argv, check=False, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise ProcessFailed(f"{Path(argv[0]).name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    unfinished.replace(directory)


def _set_up_sql(flavour: Flavour, settings: StoreSettings) -> str:
    """Idempotent; the server's init-file wants each statement on one line."""
    account, password = f"'{settings.user}'@'127.0.0.1'", settings.password.replace("\\", "\\\\").replace("'", "''")
    return (
        f"CREATE DATABASE IF NOT EXISTS `{settings.database}`;\n"
        f"CREATE USER IF NOT EXISTS {account};\n"
        f"ALTER USER {account} IDENTIFIED BY '{password}';\n"
        f"{_grant(settings.user, settings.database)}"
        f"{flavour.set_up_sql(password)}"
    )


def _grant(user: str, database: str) -> str:
    escaped = database.replace("_", "\\_")
    return f"GRANT {PRIVILEGES} ON `{escaped}`.* TO '{user}'@'127.0.0.1';\n"


def client_configuration(settings: StoreSettings) -> str:
    """What the programs of MariaDB and MySQL read as --defaults-file, to log in as the store does. `loose`: not all
    know it. Without TLS MySQL's must ask for the key that encrypts the password."""
    if settings.tls == "off":
        tls = "loose-skip-ssl\nloose-ssl-mode = DISABLED\nloose-get-server-public-key\n"
    else:
        tls = "loose-ssl-mode = VERIFY_IDENTITY\nloose-ssl-verify-server-cert\n"
        tls += f'loose-ssl-ca = "{settings.tls_ca}"\n' if settings.tls_ca else ""
    return (
        f"[client]\nprotocol = tcp\nhost = {settings.host}\nport = {settings.port}\n"
        f'user = {settings.user}\npassword = "{settings.password}"\nloose-connect-timeout = 2\n{tls}'
        # Else MySQL's wants the right to flush all tables.
        "[mysqldump]\nloose-set-gtid-purged = OFF\n"
    )


def _administrator_configuration(flavour: Flavour, settings: StoreSettings, var: Path) -> str:
    password = f'password = "{settings.password}"\n' if flavour.is_mysql else ""
    return f"[client]\nsocket = {socket_path(var)}\nuser = {flavour.administrator}\n{password}"


def _serves(client: Path) -> bool:
    """A login as the store will make it."""
    argv = [find_program("mariadb", "mysql"), f"--defaults-file={client}", "--execute", "SELECT 1"]
    try:
        done = subprocess.run(argv, check=False, env=plain_environment(), capture_output=True, timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
