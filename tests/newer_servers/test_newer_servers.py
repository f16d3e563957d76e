"""The wrappers around servers of another Debian, without one: this system serves as its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.newer_servers import __main__ as command
from tests.newer_servers.debian import CHECKOUT, ENTER, Debian, NoDebian, mirror
from tests.newer_servers.sets import SETS


def may_mount() -> bool:
    """Root may, but not in every container."""
    found = shutil.which("unshare")
    return (
        found is not None
        and subprocess.run([found, "--mount", "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not may_mount(), reason="mounts are not for this user")
def test_a_wrapper_becomes_its_program_and_leaves_no_mount(tmp_path: Path) -> None:
    """By its pid a test kills and freezes the server."""
    before = Path("/proc/self/mounts").read_text()
    words = [str(ENTER), "/", str(CHECKOUT), "sh", "-c", 'echo $$; pwd; echo "$1"', "sh", "a b"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.read().splitlines() == [str(process.pid), str(tmp_path), "a b"]
    assert process.returncode == 0
    assert Path("/proc/self/mounts").read_text() == before


def test_a_set_that_was_not_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DIRECTORY", tmp_path)
    with pytest.raises(NoDebian, match=r"scripts/newer_servers\.sh set-up sid makes it"):
        command.choose("sid")


def test_without_debootstrap_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(NoDebian, match="apt-get install debootstrap"):
        Debian(tmp_path, "sid").make(*SETS["sid"][1:])


def test_the_mirror_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Debian bookworm-security http://security.example/\nElse x http://x.example/\nDebian trixie http://m.example/d/\n"
    monkeypatch.setattr("tests.newer_servers.debian._run", lambda words, more: said)
    assert mirror() == "http://m.example/d/"
    monkeypatch.setattr("tests.newer_servers.debian._run", lambda words, more: "Ubuntu noble http://u.example/\n")
    with pytest.raises(NoDebian, match="no mirror of Debian"):
        mirror()
