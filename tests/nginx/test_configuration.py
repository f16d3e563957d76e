"""nginx takes what is rendered from nginx/*.conf, with and without what scripts/certificate.sh makes."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest

from ops.processes import ProcessFailed
from ops.servers.nginx import directory_of, nginx_command
from ops.servers.tcp_door import NOBODY
from ops.templates import write_private
from tests.nginx.door import Door, open_door
from tests.private_servers import ROOT

pytestmark = pytest.mark.servers


def check(door: Door, name: str) -> subprocess.CompletedProcess[str]:
    """`nginx -t`"""
    write_private(directory_of(door.settings.var) / "tcp_gateways.conf", NOBODY)
    words = [*nginx_command(door.settings, name), "-t"]
    return subprocess.run(words, check=False, capture_output=True, text=True)


def make_certificate(var: Path) -> dict[str, str]:
    environment = {**os.environ, "HONGYAN_VAR": str(var)}
    done = subprocess.run(
        [ROOT / "scripts/certificate.sh"], check=False, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'certificate = "' in done.stdout
    return {"certificate": f"{var}/tls/certificate.pem", "certificate_key": f"{var}/tls/key.pem"}


@pytest.mark.parametrize("name", ["nginx.conf", "tcp.conf"])
def test_nginx_takes_the_configuration(tmp_path: Path, name: str) -> None:
    done = check(Door(tmp_path), name)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
    assert (directory_of(tmp_path) / name).stat().st_mode & 0o077 == 0  # the password of Redis is in it


@pytest.mark.parametrize("name", ["nginx.conf", "tcp.conf"])
def test_a_certificate_switches_to_tls(tmp_path: Path, name: str) -> None:
    done = check(Door(tmp_path, **make_certificate(tmp_path)), name)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o077 == 0


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"scripts/certificate\.sh"):
        nginx_command(Door(tmp_path, certificate=str(tmp_path / "no.pem")).settings, "nginx.conf")


def test_any_password_of_redis_is_carried_over(tmp_path: Path) -> None:
    door = Door(tmp_path)
    router = msgspec.structs.replace(door.settings.router, password="a\"b'\\c}{;$d é#\n")
    door.settings = msgspec.structs.replace(door.settings, router=router)
    assert check(door, "nginx.conf").returncode == 0


async def test_the_door_speaks_tls(tmp_path: Path) -> None:
    with open_door(tmp_path, **make_certificate(tmp_path)) as door:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "tls" / "certificate.pem"))
        answer = await door.call("GET", "/healthz", tls=trusted)
        assert answer.json == {"name": "nginx", "ok": True}
        plain = await door.call("GET", "/healthz")
        assert (plain.status, plain.code) == (400, "bad_frame")
