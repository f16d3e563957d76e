"""What a process says reaches standard error, in the form that fits there, and never raises."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.private_servers import ROOT

BEGIN = """
import logging, os, sys, threading, warnings
import structlog
from process.logs import configure_logs
configure_logs("p1")
log = structlog.get_logger()
"""


def run(code: str, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", BEGIN + code]
    return subprocess.run(words, cwd=ROOT, check=False, text=True, timeout=60, **options)


def logged(code: str) -> list[dict[str, Any]]:
    """The lines of a process whose log goes to a pipe."""
    done = run(code, stderr=subprocess.PIPE)
    return [json.loads(line) for line in done.stderr.splitlines()]


def on_a_terminal(code: str, **environment: str) -> str:
    """What a person sees."""
    screen, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + code], cwd=ROOT, stderr=terminal, env={**os.environ, **environment}
    ) as process:
        os.close(terminal)
        seen = b""
        try:
            while chunk := os.read(screen, 4096):
                seen += chunk
        except OSError:  # the terminal's end
            pass
        process.wait(30)
    os.close(screen)
    return seen.decode()


def test_to_a_pipe_or_a_file_each_line_is_a_json_object() -> None:
    (line,) = logged('log.info("login", user="bob")')
    del line["timestamp"]
    assert line == {"event": "login", "user": "bob", "process": "p1", "level": "info"}


def test_in_a_terminal_lines_are_for_people() -> None:
    seen = on_a_terminal('log.warning("store_away", error="no room", tries=3)', TERM="xterm", NO_COLOR="")
    assert "\x1b[" in seen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[warning +\] store_away +error='no room' tries=3\s+", plain), plain


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}])
def test_no_colour_where_it_is_not_wanted(environment: dict[str, str]) -> None:
    assert "\x1b" not in on_a_terminal('log.error("a"); raise ValueError("b")', **environment)


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    seen = on_a_terminal(r'log.info("refused", name="a\x1b[2J\r\nb\u202e")', NO_COLOR="1")
    assert r"a\x1b[2J\r\nb\u202e" in seen and "\x1b" not in seen


def test_whatever_is_logged_nothing_is_raised() -> None:
    lines = logged(
        """
class Bad:
    def __repr__(self): raise ValueError("no repr")
    __str__ = __repr__
log.info("bad", what=Bad())
log.info(Bad())
log.info("odd", text="\\ud800")
log.info("deep", what=[[]])
logging.getLogger("x").warning("%d %d", 1)
logging.getLogger("x").error(Bad())
sys.exit(7)
"""
    )
    assert [line["event"] for line in lines] == ["bad", "Bad", "odd", "deep", "%d %d", "Bad"]
    assert lines[0]["cannot_be_logged"] == "ValueError"


def test_all_that_a_process_says_is_a_line_of_the_log() -> None:
    lines = logged(
        """
logging.getLogger("tornado.general").error("from %s", "tornado")
logging.getLogger("asyncio").warning("slow")
logging.getLogger("pika").error("many lines")
warnings.warn("old")
thread = threading.Thread(target=lambda: 1 / 0, name="t1")
thread.start()
thread.join()
raise KeyError("the end")
"""
    )
    assert [(line["level"], line["event"].partition(":")[0]) for line in lines] == [
        ("error", "from tornado"),
        ("warning", "slow"),
        ("warning", "<string>"),
        ("critical", "thread_failed"),
        ("critical", "process_failed"),
    ]
    assert "ZeroDivisionError" in lines[3]["exception"] and "KeyError: 'the end'" in lines[4]["exception"]


def test_a_process_whose_standard_error_is_closed_takes_no_other_file_for_it() -> None:
    script = f'exec 2>&-; exec "{sys.executable}" -c "$1"'
    code = BEGIN + 'print(os.open("/dev/null", os.O_RDONLY) > 2); log.info("gone"); print("gone", file=sys.stderr)'
    done = subprocess.run(["sh", "-c", script, "sh", code], cwd=ROOT, stdout=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"True\n")
