"""Structured logs on standard error: in a terminal lines for people, elsewhere one JSON object a line, with the name of
the process. Never a secret, token or body.

Law: to log never raises and never blocks, whatever is logged and wherever it goes (log_writer.py). All that a process
says goes this way: structlog, the standard library's loggers and warnings, what is printed to `sys.stderr`, and the
traceback of its end.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from process.log_writer import LogStream, LogWriter

STDERR = 2
END_S = 1.0  # for what still waits when the process ends

log = structlog.get_logger()


def configure_logs(process: str, level: int = logging.INFO) -> None:
    """Set all that up, once, before anything else is done; of the standard library's loggers WARNING and above."""
    _open_standard_descriptors()
    is_terminal = os.isatty(STDERR)
    writer = LogWriter(STDERR, lambda lines, why: log.warning("log_lines_dropped", lines=lines, reason=why))
    steps = people_steps(_wants_colours()) if is_terminal else json_steps(process)
    structlog.configure(
        processors=[Unfailing(steps)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Logger(writer),
    )
    _configure_standard_library(steps, writer)
    sys.stderr = LogStream(writer, STDERR)
    sys.excepthook = _process_failed
    threading.excepthook = lambda failed: _thread_failed(failed.thread, failed.exc_value)
    atexit.register(finish_logs)


def finish_logs() -> None:
    """Write what still waits, within 1 s: before a process ends at once, by os._exit."""
    if isinstance(sys.stderr, LogStream):
        sys.stderr.finish(END_S)


def json_steps(process: str) -> list[Processor]:
    """From an event to a JSON object in one line."""

    def add_process(_: Any, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return [
        add_process,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def people_steps(colours: bool) -> list[Processor]:
    """From an event to a line for people: time, level, event, fields. No text of others steers the terminal."""
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.processors.format_exc_info,
        _make_visible,
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    ]


def _make_visible(_: Any, __: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            lines = value.split("\n") if name in ("exception", "stack") else [value]
            event[name] = "\n".join(map(_visible, lines))
    return event


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Unfailing:
    """Runs `steps`; where one of them raises, the line says what could not be logged and why."""

    def __init__(self, steps: Sequence[Processor]) -> None:
        self._steps = steps

    def __call__(self, logger: Any, name: str, event: EventDict) -> str:
        said = event.get("event")
        result: Any = event
        try:
            for step in self._steps:
                result = step(logger, name, result)
            return str(result)
        except Exception as error:
            failed = {"event": said if isinstance(said, str) else type(said).__name__, "level": name}
            return json.dumps({**failed, "cannot_be_logged": type(error).__name__})


class _Logger:
    """What structlog hands a finished line to."""

    def __init__(self, writer: LogWriter) -> None:
        self._write = writer.write

    def msg(self, line: str) -> None:
        self._write(line)

    debug = info = warning = error = critical = exception = fatal = log = msg


class _Handler(logging.Handler):
    """The standard library's records, as lines like all others."""

    def __init__(self, steps: Sequence[Processor], writer: LogWriter) -> None:
        super().__init__(logging.WARNING)
        self._line = Unfailing(steps)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except Exception:  # its arguments do not fit its text
            said = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        event: EventDict = {"event": said, "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        self._writer.write(self._line(None, record.levelname.lower(), event))


def _configure_standard_library(steps: Sequence[Processor], writer: LogWriter) -> None:
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.WARNING, handlers=[_Handler(steps, writer)])
    logging.captureWarnings(True)
    # pika tells each failed attempt in many lines; the bus tells it in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)


def _open_standard_descriptors() -> None:
    """Where one was closed before us (`2>&-`), the next file or socket would get its number, and what is printed."""
    for descriptor in (0, 1, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it is the lowest number that is free


def _wants_colours() -> bool:
    """https://no-color.org"""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _process_failed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("process_failed", exc_info=(kind, error, trace))


def _thread_failed(thread: threading.Thread | None, error: BaseException | None) -> None:
    log.critical("thread_failed", thread=thread.name if thread is not None else "", exc_info=error)
