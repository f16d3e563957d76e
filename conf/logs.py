"""Structured logs: one JSON object a line on standard error, with the process's name. Never a secret, token or body."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict


def configure_logs(process: str, level: int = logging.INFO) -> None:
    """Set up structlog, and the standard library's loggers of our libraries from WARNING on."""

    def add_process(_: Any, __: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    structlog.configure(
        processors=[
            add_process,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    line = "%(asctime)s %(name)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=line)
    # pika tells each failed attempt in many lines; the bus tells it in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
