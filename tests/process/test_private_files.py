"""Nobody but its user reads what the system writes, whatever the umask was and whatever an earlier version left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from process.private_files import OURS, keep_for_us_only
from tests.deployments import StandaloneDeployment
from tests.modes import open_to_others
from tests.ops.test_standalone import Newcomer
from tests.private_servers import ROOT


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_the_database_its_wal_the_logs_and_all_are_for_the_user_alone(tmp_path: Path, umask: int) -> None:
    newcomer = Newcomer(tmp_path / "var")
    words = [*newcomer.words, "start"]
    started = subprocess.run(words, env=newcomer.environment, check=False, capture_output=True, text=True, umask=umask)
    try:
        assert started.returncode == 0, started.stderr
        assert {"secrets.toml", "run", "log", "standalone"} <= set(os.listdir(tmp_path / "var"))
        assert {path.suffix for path in (tmp_path / "var" / "standalone").iterdir()} >= {".sqlite3", ".sqlite3-wal"}
        assert open_to_others(tmp_path / "var") == []
    finally:
        newcomer.run("stop")


def test_what_an_earlier_version_left_open_is_closed_at_the_start(tmp_path: Path) -> None:
    var = tmp_path / "var"
    for name in OURS:
        (var / name / "deeper").mkdir(parents=True)
        (var / name / "deeper" / "file").touch()
    (var / "venv").mkdir()
    for path in (var, *var.rglob("*")):
        path.chmod(0o755)
    keep_for_us_only(var)
    assert open_to_others(var) == [f"{oct((var / 'venv').stat().st_mode)} {var / 'venv'}"], "nothing of anybody's"


def test_a_var_that_all_may_write_to_stays_theirs(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "log").mkdir(mode=0o755)
    keep_for_us_only(tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700


def test_standalone_by_itself_keeps_its_files_private(tmp_path: Path) -> None:
    system = StandaloneDeployment(tmp_path)
    process = subprocess.Popen(system.processes[0]._command(), cwd=ROOT, stderr=subprocess.PIPE, umask=0)
    try:
        assert process.stderr is not None
        assert any(b"gateway_started" in line for line in process.stderr)
        assert open_to_others(tmp_path / "standalone") == []
        assert tmp_path.stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        process.communicate(timeout=30)
