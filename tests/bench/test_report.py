"""What people read: verdicts in the right direction, profiles without threads that waited, a helpful command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import parse
from bench.figures.figure import Figure
from bench.plan import QUICK
from bench.profile import summary
from bench.report import table, write

HIGH = Figure("road", "a ratio", "x", 0.6, 1.2, 0.9)
LOW = Figure("latency", "a time", "ms", 40, 15, 55.0, low_is_good=True)


def test_a_verdict_knows_which_direction_is_good() -> None:
    road, latency = table([HIGH, LOW]).splitlines()[1:]
    assert "must met" in road
    assert "MISSED" in latency


def test_the_json_holds_all_that_a_later_comparison_needs(tmp_path: Path) -> None:
    written = json.loads(write(tmp_path, "20260101-000000", QUICK, [HIGH], [{"name": "road", "rate": 1.0}]).read_text())
    assert {"date", "machine", "revision", "plan", "figures", "raw"} <= written.keys()
    assert written["figures"][0]["meets_must"] is True


def test_a_profile_adds_lines_up_by_function_and_leaves_waiting_out() -> None:
    raw = "main (a.py:1);work (a.py:5) 3\nmain (a.py:2);work (a.py:9) 1\nrun (t.py:1);wait (threading.py:3) 99\n"
    told = summary("g1", raw)
    assert "100.00 %  work (a.py)" in told
    assert "4 samples" in told
    assert "99 of threads that waited" in told


def test_words_are_a_mode_and_names() -> None:
    options = parse(["quick", "road"])
    assert (options.mode, options.words) == ("quick", ["road"])
    assert parse([]).mode == "full"


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["quick", "rode"])
    assert ended.value.code == 2
    assert "rode" in capsys.readouterr().err
