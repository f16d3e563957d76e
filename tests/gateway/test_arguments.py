"""What a gateway is started with, before it reads any configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.private_servers import ROOT


@pytest.mark.parametrize("name", ["", "网关1", "g 1", "g" * 65])
def test_a_name_that_queues_and_tables_do_not_take_ends_it_with_a_sentence(name: str) -> None:
    words = [sys.executable, "-m", "gateway", "--name", name]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "--name: write 1 to 64 of A-Z a-z 0-9 _ . -" in ended.stderr
