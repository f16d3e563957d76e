"""How the store is logged in at: without TLS or with a certificate that is verified, never anything in between."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from conf.mistakes import BadSettings
from conf.sections import StoreSettings
from conf.settings import load
from conf.tls import tls_context
from ops.servers.mariadb import mariadb_process
from store.database import Database
from store.engines.mysql_connection import OverlappingConnection
from store.errors import StoreAway
from tests.private_servers import PrivateServers, free_ports
from tests.store.engines import open_server


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key) for 127.0.0.1, signed by itself."""
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(words, check=True, capture_output=True)
    return paths


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Those of the server and of a stranger, and the server's key."""
    directory = tmp_path_factory.mktemp("tls")
    (server, key), (stranger, _) = certificate(directory, "server"), certificate(directory, "stranger")
    return {"server": server, "key": key, "stranger": stranger}


@pytest.fixture(scope="module")
def other_server(
    certificates: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, servers: PrivateServers
) -> Iterator[StoreSettings]:
    """A server that speaks TLS, as others run it."""
    settings = replace(servers.settings.store, port=free_ports()["store"])
    process = mariadb_process(settings, tmp_path_factory.mktemp("var"))
    command, words = process._command, (f"--ssl-cert={certificates['server']}", f"--ssl-key={certificates['key']}")
    process._command = lambda: [*command(), *words]
    process.start()
    try:
        process.await_ready()
        yield settings
    finally:
        process.stop()


def cipher(database: Database) -> str:
    with database.reading() as tx:
        row = tx.row("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    database.close()
    assert row is not None
    return str(row[1])


def test_without_the_setting_nothing_is_encrypted_whatever_the_server_offers(other_server: StoreSettings) -> None:
    assert cipher(open_server(other_server)) == ""


def test_a_server_of_a_known_ca_is_spoken_to_by_tls(other_server: StoreSettings, certificates: dict[str, Path]) -> None:
    settings = replace(other_server, tls="verified", tls_ca=str(certificates["server"]))
    assert cipher(open_server(settings)) != ""


@pytest.mark.parametrize("ca", ["stranger", ""])
def test_a_server_of_another_ca_is_not_logged_in_at(
    other_server: StoreSettings, certificates: dict[str, Path], ca: str
) -> None:
    database = open_server(replace(other_server, tls="verified", tls_ca=str(certificates[ca]) if ca else ""))
    with pytest.raises(StoreAway, match="certificate verify failed"):
        database.probe()


def test_a_server_of_another_name_is_not_logged_in_at(
    other_server: StoreSettings, certificates: dict[str, Path]
) -> None:
    settings = replace(other_server, host="localhost", tls="verified", tls_ca=str(certificates["server"]))
    with pytest.raises(StoreAway, match="certificate"):
        open_server(settings).probe()


def test_a_ca_that_cannot_be_read_is_refused_with_a_sentence(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    for text in (None, "no certificate"):
        if text:
            (tmp_path / "ca.pem").write_text(text)
        config.write_text(f'var = "{tmp_path}"\n[store]\ntls = "verified"\ntls_ca = "{tmp_path}/ca.pem"\n')
        with pytest.raises(BadSettings, match=r"store\.tls_ca, .*ca\.pem, cannot be used .*name the PEM file"):
            load(config, {})
    assert tls_context(StoreSettings()) is None


def test_a_way_to_log_in_that_the_driver_lacks_is_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """What PyMySQL raises where the package for caching_sha2_password is missing is none of its own errors."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("'cryptography' package is required")

    monkeypatch.setattr(OverlappingConnection, "connect", refuse)
    with pytest.raises(StoreAway, match="'cryptography' package is required"):
        open_server(StoreSettings()).probe()
