"""MariaDB or MySQL: what a private server of either is made and administered with. Its program tells which it is.

Law: MariaDB lets its administrator in by the account of the operating system, MySQL by the password of our user: that
needs no plugin, which another build may not have.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import NamedTuple

from ops.programs import find_program, version

# A file of every data directory of MySQL 8 and later, and of none of MariaDB.
DICTIONARY = "mysql.ibd"


class Flavour(NamedTuple):
    """`name` is MariaDB or MySQL, `program` the server, `administrator` its account."""

    name: str
    program: str
    administrator: str

    @property
    def is_mysql(self) -> bool:
        return self.name == "MySQL"

    def install_command(self, directory: Path) -> list[str]:
        """The words that fill `directory`, which is empty, with the data of a new server."""
        account = f"--user={getpass.getuser()}"
        if self.is_mysql:
            return [self.program, "--no-defaults", "--initialize-insecure", f"--datadir={directory}", account]
        installer = find_program("mariadb-install-db", "mysql_install_db")
        method = "--auth-root-authentication-method=socket"
        return [installer, "--no-defaults", f"--datadir={directory}", account, method, "--skip-test-db"]

    def set_up_sql(self, password: str) -> str:
        """The statement that lets the administrator in from now on; `password` is a literal's inside."""
        return f"ALTER USER '{self.administrator}'@'localhost' IDENTIFIED BY '{password}';\n" if self.is_mysql else ""

    def made(self, directory: Path) -> bool:
        """Whether the data in `directory` is of this flavour."""
        return (directory / DICTIONARY).exists() == self.is_mysql


def installed() -> Flavour:
    """The flavour of the server that is to be started. Raises MissingServer."""
    program = find_program("mariadbd", "mysqld")
    if "MariaDB" in version(program):
        return Flavour("MariaDB", program, getpass.getuser())
    return Flavour("MySQL", program, "root")
