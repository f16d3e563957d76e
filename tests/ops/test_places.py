"""However a script is called, and wherever the checkout or var lies: it works, or says in a sentence why not."""

from __future__ import annotations

import os
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from conf.mistakes import BadSettings
from conf.settings import load
from tests.ops.test_scripts import VERBS, bare_clone
from tests.private_servers import ROOT

ODD = " \t\n'\"`#$;\\{}()[]<>&|*?:"
CHAT = ROOT / "scripts" / "chat.sh"


def run(*words: str | Path, where: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings}
    return subprocess.run(words, cwd=where, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("path", VERBS, ids=lambda path: path.name)
def test_every_script_refuses_a_var_that_the_servers_cannot_take(path: Path, tmp_path: Path) -> None:
    done = run(path, where=tmp_path, HONGYAN_VAR=str(tmp_path / "a b"))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"scripts/{path.name}: the path of the checkout" in done.stderr and "choose another path" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_checkout_with_an_odd_name_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    clone = bare_clone(tmp_path / "it's mine")
    done = run(clone / "scripts" / "standalone.sh", where=tmp_path)
    assert (done.returncode, "it's mine" in done.stderr, (clone / "var").exists()) == (1, True, False)


@pytest.mark.parametrize("letter", ODD, ids=lambda letter: f"x{ord(letter):02x}")
def test_scripts_and_processes_refuse_the_same_letters(letter: str, tmp_path: Path) -> None:
    var = str(tmp_path / f"a{letter}b")
    assert run(CHAT, "--help", where=tmp_path, HONGYAN_VAR=var).returncode == 1
    with pytest.raises(BadSettings, match=r"var .HONGYAN_VAR. must be the path of a directory"):
        load(ROOT / "conf" / "standalone.toml", {"HONGYAN_VAR": var})


def test_they_take_all_others(tmp_path: Path) -> None:
    rest = "".join(letter for letter in string.printable if letter.isprintable() and letter not in ODD + "/")
    var = str(tmp_path / f"鸿雁{rest}")
    assert run(CHAT, "--help", where=tmp_path, HONGYAN_VAR=var).returncode == 0
    with pytest.raises(BadSettings, match="there is no secret"):
        load(ROOT / "conf" / "standalone.toml", {"HONGYAN_VAR": var})


def test_the_path_of_a_certificate_is_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"nginx.certificate .* must be the path of a file"):
        load(ROOT / "conf" / "cluster.toml", {"HONGYAN_NGINX__CERTIFICATE": "var/tls/a;b.pem"})


def is_help(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == 0 and done.stdout.startswith("usage: scripts/chat.sh") and not done.stderr


def test_an_exported_cdpath_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    assert is_help(run("scripts/chat.sh", "--help", where=ROOT, CDPATH=str(tmp_path)))
    assert is_help(run("bash", "chat.sh", "--help", where=ROOT / "scripts", CDPATH=f"{tmp_path}:."))


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "bash --posix"])
def test_every_shell_may_run_them(shell: str, tmp_path: Path) -> None:
    words = shell.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"there is no {shell}")
    assert is_help(run(*words, CHAT, "--help", where=tmp_path))
    assert is_help(run(*words, "scripts/chat.sh", "--help", where=ROOT))


def test_a_symlink_leads_to_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "chat.sh").symlink_to(CHAT)
    (tmp_path / "again").symlink_to("chat.sh")
    for words in (["./chat.sh"], [tmp_path / "again"], ["sh", "again"]):
        done = run(*words, "--help", where=tmp_path)
        assert done.returncode == 0 and done.stdout.startswith("usage: scripts/chat.sh"), done.stderr


@pytest.mark.parametrize("name", ["bench.sh", "cluster.sh"])
def test_help_in_an_environment_of_another_version_is_no_traceback(name: str, tmp_path: Path) -> None:
    """The packages of a former version are there, and one that is new is not."""
    clone = bare_clone(tmp_path / "clone")
    venv = clone / "var" / "venv"
    (venv / "bin").mkdir(parents=True)
    for file in ("requirements.txt", "requirements-dev.txt"):
        (venv / f"{file}.installed").write_text("of a former version\n")
    (venv / "bin" / "python").write_text("#!/bin/sh\necho Traceback >&2\nexit 1\n")
    (venv / "bin" / "python").chmod(0o755)
    done = run(clone / "scripts" / name, "--help", where=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: scripts/{name}")
