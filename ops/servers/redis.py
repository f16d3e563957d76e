"""A private Redis: no file on disk but its configuration."""

from __future__ import annotations

from pathlib import Path

from conf.settings import RouterSettings
from ops.probes import redis_serves
from ops.processes import Process
from ops.templates import fill_template, find_program, plain_environment


def redis_process(settings: RouterSettings, var: Path) -> Process:
    """Redis on `settings.port`; its configuration is written at each start."""
    directory = var / "redis"

    def command() -> list[str]:
        values = {"port": settings.port, "password": settings.password, "directory": directory}
        return [find_program("redis-server"), str(fill_template("redis.conf", directory / "redis.conf", values))]

    return Process(
        "redis",
        command,
        var,
        lambda: redis_serves(settings.host, settings.port, settings.password),
        env=plain_environment(),
        port=settings.port,
    )
