"""A private Redis: no file on disk but its configuration."""

from __future__ import annotations

from pathlib import Path

from conf.sections import RouterSettings
from ops.processes import Process, ProcessFailed
from ops.programs import find_program, plain_environment
from ops.templates import fill_template
from router.redis import probe
from router.redis.address import RedisAddress


def redis_process(settings: RouterSettings, var: Path) -> Process:
    """Redis on `settings.port`; its configuration is written at each start."""
    directory = var / "redis"

    def command() -> list[str]:
        values = {"port": settings.port, "password": settings.password, "directory": directory}
        program = find_program("redis-server", "valkey-server")
        return [program, str(fill_template("redis.conf", directory / "redis.conf", values))]

    return Process(
        "redis",
        command,
        var,
        lambda: redis_serves(settings),
        env=plain_environment(),
        port=settings.port,
    )


def redis_serves(settings: RouterSettings) -> bool:
    """Whether it lets us in; False while it is not there yet. Raises ProcessFailed where waiting cannot help."""
    try:
        return probe.serves(RedisAddress(settings.host, settings.port, settings.password))
    except probe.AccessRefused:
        raise ProcessFailed(f"Redis on port {settings.port} refuses the password: is it another one's?") from None
