"""Secrets are generated once, for our eyes only."""

from __future__ import annotations

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conf.secrets import MIN_CHARACTERS, NAMES, BadSecret, Secrets, generate, read_secrets

ROOT = Path(__file__).resolve().parents[2]


def test_they_are_generated_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    assert generate(tmp_path / "var")
    first = read_secrets(tmp_path / "var")
    assert not generate(tmp_path / "var")
    assert read_secrets(tmp_path / "var") == first
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert set(first.values) == set(NAMES)
    assert all(len(first.take(name, "")) >= MIN_CHARACTERS for name in NAMES)
    assert len(set(first.values.values())) == len(NAMES)


def test_of_many_that_generate_at_once_one_does(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(generate, [tmp_path] * 8)) == 1
    assert set(read_secrets(tmp_path).values) == set(NAMES)


def test_none_are_there_before(tmp_path: Path) -> None:
    assert read_secrets(tmp_path).values == {}
    with pytest.raises(BadSecret, match="generate"):
        read_secrets(tmp_path).take("token", "")


@pytest.mark.parametrize("text", [b"token = ", b"\xff", b"token = 7\n"])
def test_a_broken_file_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "secrets.toml").write_bytes(text)
    with pytest.raises(BadSecret, match=r"secrets\.toml"):
        read_secrets(tmp_path)


def test_what_was_configured_wins(tmp_path: Path) -> None:
    configured = "k7Qp2mX9vB4nT6wZ1sD8fG3hJ5lR0yUe"
    assert Secrets(tmp_path, {"token": "x" * 40}).take("token", configured) == configured


def test_they_are_not_shown(tmp_path: Path) -> None:
    generate(tmp_path)
    held = read_secrets(tmp_path)
    assert not any(value in repr(held) for value in held.values.values())


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-m", "conf.secrets", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert "generated" in said[0] and "already there" in said[1]
    assert not any(value in "".join(said) for value in read_secrets(tmp_path).values.values())
