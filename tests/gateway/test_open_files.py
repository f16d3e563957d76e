"""The limit of open files: raised at start, and compared with the connections that the configuration allows."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from gateway.open_files import OTHER_FILES, room_within

RAISED = """
import resource
from gateway.open_files import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert subprocess.run([sys.executable, "-c", RAISED], capture_output=True, text=True, check=True).stdout == (
        "512 512 512\n"
    )


@pytest.mark.parametrize("files", [resource.RLIM_INFINITY, 100_000 + OTHER_FILES])
def test_where_there_are_files_enough_nothing_is_said(files: int) -> None:
    with capture_logs() as said:
        assert room_within(files, 50_000) == (50_000, 50_000)
    assert said == []


@pytest.mark.parametrize("files", [0, 1, 64, 300, 1024, 20_000, 99_999])
def test_where_there_are_too_few_it_takes_fewer_and_says_so_in_a_sentence(files: int) -> None:
    with capture_logs() as said:
        room = room_within(files, 50_000)
    assert room.connections >= 1 and room.http_sockets >= 1
    assert sum(room) + OTHER_FILES <= max(files, OTHER_FILES + 2)
    (line,) = said
    assert line["log_level"] == "warning"
    assert f"may have {files} files open" in line["reason"]
    assert "gateway.max_connections = 50000" in line["reason"] and "ulimit -Hn" in line["reason"]
