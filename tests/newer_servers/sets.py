"""The sets of servers that the tests are run against beside the installed ones, by the Debian that they come from."""

from __future__ import annotations

from typing import NamedTuple

_RABBITMQ = {
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "rabbitmqctl": "/usr/lib/rabbitmq/bin/rabbitmqctl",
    "epmd": "/usr/bin/epmd",
}
_NGINX = {"nginx": "/usr/sbin/nginx"}
_MARIADB = {
    "mariadbd": "/usr/sbin/mariadbd",
    "mariadb": "/usr/bin/mariadb",
    "mariadb-dump": "/usr/bin/mariadb-dump",
    "mariadb-install-db": "/usr/bin/mariadb-install-db",
}
_MYSQL = {"mysqld": "/usr/sbin/mysqld", "mysql": "/usr/bin/mysql", "mysqldump": "/usr/bin/mysqldump"}
_DOOR = ("nginx", "libnginx-mod-http-lua", "libnginx-mod-stream", "lua-nginx-redis")


class ServerSet(NamedTuple):
    """`packages` of the Debian `release`; `programs` {the name that scripts look for: its path}."""

    release: str
    packages: tuple[str, ...]
    programs: dict[str, str]


SETS = {
    "trixie": ServerSet(
        "trixie",
        ("rabbitmq-server", "redis-server", "mariadb-server", *_DOOR),
        {**_RABBITMQ, **_NGINX, **_MARIADB, "redis-server": "/usr/bin/redis-server"},
    ),
    "sid": ServerSet(
        "sid",
        ("rabbitmq-server", "valkey-server", "mysql-server-core", "mysql-client-core", *_DOOR),
        {**_RABBITMQ, **_NGINX, **_MYSQL, "redis-server": "/usr/bin/valkey-server"},
    ),
}
