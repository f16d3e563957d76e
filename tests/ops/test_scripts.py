"""The verbs of scripts/, called from anywhere."""

from __future__ import annotations

import os
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
