"""The verbs of scripts/, called from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conf.secrets import NAMES, read_secrets
from tests.private_servers import ROOT

VERBS = sorted((ROOT / "scripts").iterdir())


def run(path: Path, *words: str, where: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HONGYAN_VAR": str(where / "var")}
    return subprocess.run([path, *words], cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", VERBS, ids=lambda path: path.name)
def test_each_says_how_it_is_used(path: Path, tmp_path: Path) -> None:
    done = run(path, "--help", where=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: scripts/{path.name}")


def test_a_set_up_adds_the_secrets_that_a_new_version_needs(tmp_path: Path) -> None:
    kept = 'token = "k7Qp2mX9vB4nT6wZ1sD8fG3hJ5lR0yUe"\n'
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "secrets.toml").write_text(kept)
    done = run(ROOT / "scripts" / "setup.sh", where=tmp_path)
    assert done.returncode == 0
    assert f"generated into {tmp_path}/var/secrets.toml: bus, router, store" in done.stderr
    assert (tmp_path / "var" / "secrets.toml").read_text().startswith(kept)
    assert set(read_secrets(tmp_path / "var").values) == set(NAMES)


def bare_clone(to: Path) -> Path:
    """The scripts of a checkout in which nothing is installed."""
    for name in ("scripts", "ops", "sdk/python"):
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, to)
    return to


@pytest.mark.parametrize("name", [path.name for path in VERBS])
def test_help_installs_nothing(name: str, tmp_path: Path) -> None:
    clone = bare_clone(tmp_path / "clone")
    for words in (["--help"], ["up", "-h"] if name == "cluster.sh" else ["-h"]):
        done = run(clone / "scripts" / name, *words, where=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: scripts/{name}")
    assert not (clone / "var").exists() and not (tmp_path / "var").exists()


def test_a_copied_checkout_installs_its_own_client_library(tmp_path: Path) -> None:
    """The copy has the former place's var/, whose client library is the one over there."""
    old, new = bare_clone(tmp_path / "old"), tmp_path / "new"
    python = old / "var" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (old / "var" / "venv" / "made").touch()
    python.write_text('#!/bin/sh\necho "$@" >>installed.txt\n')
    python.chmod(0o755)
    for _ in range(2):
        assert run(old / "scripts" / "setup.sh", where=tmp_path).returncode == 0
    shutil.copytree(old, new)
    (new / "installed.txt").unlink()
    assert run(new / "scripts" / "setup.sh", where=tmp_path).returncode == 0
    for place in (old, new):
        assert (place / "installed.txt").read_text().count("-m pip install") == 1
