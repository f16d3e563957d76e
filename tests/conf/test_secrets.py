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
KEPT = "k7Qp2mX9vB4nT6wZ1sD8fG3hJ5lR0yUe"


def test_they_are_generated_once_and_readable_by_us_alone(tmp_path: Path) -> None:
    assert generate(tmp_path / "var") == list(NAMES)
    first = read_secrets(tmp_path / "var")
    assert generate(tmp_path / "var") == []
    assert read_secrets(tmp_path / "var") == first
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert set(first.values) == set(NAMES)
    assert all(len(first.take(name, "")) >= MIN_CHARACTERS for name in NAMES)
    assert len(set(first.values.values())) == len(NAMES)
    assert [path.name for path in first.path.parent.iterdir()] == ["secrets.toml"]


def test_a_name_that_is_new_is_added_and_all_else_stays(tmp_path: Path) -> None:
    """A file of an older version, which a person has edited since."""
    old = f'# ours\nrouter = "{KEPT}"\nformer = "{KEPT[::-1]}" # nobody asks for it any more'
    (tmp_path / "secrets.toml").write_text(old)
    assert generate(tmp_path) == [name for name in NAMES if name != "router"]
    held = read_secrets(tmp_path)
    assert held.path.read_text().startswith(old + "\n")
    assert (held.values["router"], held.values["former"]) == (KEPT, KEPT[::-1])
    assert all(held.take(name, "") for name in NAMES)
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600
    assert generate(tmp_path) == []


@pytest.mark.parametrize("held", ["", f'store = "{KEPT}"\n'])
def test_of_many_that_generate_at_once_one_does(tmp_path: Path, held: str) -> None:
    if held:
        (tmp_path / "secrets.toml").write_text(held)
    command = [sys.executable, "-m", "conf.secrets", str(tmp_path)]
    many = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [one.communicate()[0] for one in many]
    assert [one.returncode for one in many] == [0] * 8
    assert sum("generated" in text for text in said) == 1
    assert set(read_secrets(tmp_path).values) == set(NAMES)
    assert (tmp_path / "secrets.toml").read_text().startswith(held)


def test_a_reader_never_sees_a_part_of_the_file(tmp_path: Path) -> None:
    """Each generation is added to a file of its own; meanwhile others read it."""
    for number in range(50):
        var = tmp_path / str(number)
        var.mkdir()
        (var / "secrets.toml").write_text(f'token = "{KEPT}"\n')
        with ThreadPoolExecutor(2) as pool:
            adding = pool.submit(generate, var)
            while not adding.done():
                assert len(read_secrets(var).values) in (1, len(NAMES))


def test_what_an_interrupted_generation_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml.new").write_text("tok")
    assert generate(tmp_path) == list(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.toml"]


def test_a_complete_file_need_not_be_writable(tmp_path: Path) -> None:
    generate(tmp_path)
    before = (tmp_path / "secrets.toml").stat()
    tmp_path.chmod(0o500)
    try:
        assert generate(tmp_path) == []
    finally:
        tmp_path.chmod(0o700)
    assert (tmp_path / "secrets.toml").stat() == before


def test_none_are_there_before(tmp_path: Path) -> None:
    assert read_secrets(tmp_path).values == {}
    with pytest.raises(BadSecret, match="generate"):
        read_secrets(tmp_path).take("token", "")


@pytest.mark.parametrize("text", [b"token = ", b"\xff", b"token = 7\n", b"[more]\n"])
def test_a_broken_file_is_named_and_left_alone(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "secrets.toml").write_bytes(text)
    for use in (read_secrets, generate):
        with pytest.raises(BadSecret, match=r"secrets\.toml"):
            use(tmp_path)
    assert (tmp_path / "secrets.toml").read_bytes() == text


def test_what_was_configured_wins(tmp_path: Path) -> None:
    assert Secrets(tmp_path, {"token": "x" * 40}).take("token", KEPT) == KEPT


def test_they_are_not_shown(tmp_path: Path) -> None:
    generate(tmp_path)
    held = read_secrets(tmp_path)
    assert not any(value in repr(held) for value in held.values.values())


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text(f'token = "{KEPT}"\nbus = "{KEPT}"\n')
    command = [sys.executable, "-m", "conf.secrets", str(tmp_path)]
    said = [subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said == [f"generated into {tmp_path}/secrets.toml: router, store\n", ""]
    (tmp_path / "secrets.toml").write_text("token = ")
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (failed.returncode, "cannot be read" in failed.stderr, "Traceback" in failed.stderr) == (1, True, False)
