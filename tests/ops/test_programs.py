"""Which servers are used: those of HONGYAN_SERVERS before all others, whatever is installed; nothing is replaced."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path

import pytest

from conf.settings import load
from ops.processes import ProcessFailed
from ops.programs import MissingServer, beside, find_program
from ops.servers import flavour, mariadb, rabbitmq
from tests.private_servers import ROOT


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of HONGYAN_SERVERS."""
    directory = tmp_path / "newer" / "bin"
    directory.mkdir(parents=True)
    monkeypatch.setenv("HONGYAN_SERVERS", str(directory))
    return directory


def test_what_is_chosen_goes_before_all_that_is_installed(chosen: Path, tmp_path: Path) -> None:
    """By any of its names, and before paths that a starter knows."""
    shell = find_program("sh")
    assert find_program("/nowhere/sh", "sh") == shell
    installed = program(tmp_path / "lib" / "rabbitmq-server")
    assert find_program(str(installed), "rabbitmq-server") == str(installed)
    mine = program(chosen / "rabbitmq-server")
    assert find_program(str(installed), "rabbitmq-server") == str(mine)
    second = program(chosen / "mysqld")
    assert find_program("sh", "mysqld") == str(second)


def test_the_starters_take_what_is_chosen(chosen: Path) -> None:
    broker = program(chosen / "rabbitmq-server")
    assert rabbitmq._program("rabbitmq-server") == str(broker)


def test_modules_are_looked_for_beside_what_is_chosen(chosen: Path, tmp_path: Path) -> None:
    nginx = program(chosen / "nginx")
    assert beside(str(nginx), "modules") is None
    (chosen.parent / "modules").mkdir()
    assert beside(str(nginx), "modules") == chosen.parent / "modules"
    assert beside(str(program(tmp_path / "sbin" / "nginx")), "modules") is None, "not one of the chosen"


def test_a_directory_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONGYAN_SERVERS", "/nowhere/bin")
    with pytest.raises(MissingServer, match="HONGYAN_SERVERS names /nowhere/bin, where no directory of programs is"):
        find_program("sh")


def test_the_choice_is_no_setting(tmp_path: Path, chosen: Path) -> None:
    config = tmp_path / "standalone.toml"
    config.write_text(f'var = "{tmp_path}"\n[token]\nsecret = "{secrets.token_hex(32)}"\n[bus]\nkind = "memory"\n')
    config.write_text(config.read_text() + '[router]\nkind = "memory"\n[store]\nkind = "sqlite"\n')
    load(config, {"HONGYAN_SERVERS": str(chosen)})


@pytest.mark.parametrize(
    ("name", "says", "words"),
    [
        ("mariadbd", "mariadbd  Ver 11.8.9-MariaDB from Debian", ["--auth-root-authentication-method=socket"]),
        ("mysqld", "mysqld  Ver 9.7.4-2 for Linux on x86_64", ["--initialize-insecure"]),
        ("mysqld", "mysqld  Ver 10.11.14-MariaDB for debian-linux-gnu", ["--auth-root-authentication-method=socket"]),
    ],
)
def test_a_flavour_is_what_the_program_says_of_itself(chosen: Path, name: str, says: str, words: list[str]) -> None:
    program(chosen / name, says)
    program(chosen / "mariadb-install-db")
    found = flavour.installed()
    assert found.is_mysql == ("MariaDB" not in says)
    assert set(words) <= set(found.install_command(chosen))


def test_data_of_the_other_flavour_are_refused_with_a_sentence(chosen: Path, tmp_path: Path) -> None:
    program(chosen / "mysqld", "mysqld  Ver 9.7.4-2 for Linux")
    (tmp_path / "var" / "mariadb").mkdir(parents=True)
    (tmp_path / "var" / "mariadb" / "ibdata1").touch()
    with pytest.raises(ProcessFailed, match=r"was made by MariaDB, which MySQL cannot read: .*dump it"):
        mariadb._install(flavour.installed(), tmp_path / "var")


def test_installing_packages_removes_none(tmp_path: Path) -> None:
    """Such as a MySQL that MariaDB would replace."""
    program(tmp_path / "id", "0")
    (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\n')
    (tmp_path / "apt-get").chmod(0o755)
    script = f"PATH={tmp_path}:$PATH; . ops/packages.sh; policy={tmp_path}/policy; install_packages mariadb-server"
    subprocess.run(["bash", "-c", script], check=True, cwd=ROOT, capture_output=True)
    (asked,) = (tmp_path / "asked").read_text().splitlines()
    assert asked.startswith("install") and "--no-remove" in asked.split()
