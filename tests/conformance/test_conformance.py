"""The Autobahn suite's cases for what Hongyan speaks; scripts/conformance.sh runs those for large messages too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.suite import echo_gateway, run_cases
from tests.conformance.verdicts import BINARY, COMPRESSION, SIZE, judge

SPOKEN = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
A_FEW_OF_THE_REST = ("9.1.2", "9.2.1", "9.3.1", "12.1.1", "13.1.1")


@pytest.mark.slow
async def test_every_case_passes_or_is_refused_on_purpose(tmp_path: Path) -> None:
    log = tmp_path / "echo.log"
    async with echo_gateway(log) as url:
        verdicts = await run_cases(url, [*SPOKEN, *A_FEW_OF_THE_REST])
    assert [verdict for verdict in verdicts if not verdict.is_right] == []
    labels = Counter(verdict.label for verdict in verdicts)
    assert labels["OK"] >= 230
    assert (labels[BINARY.why], labels[SIZE.why], labels[COMPRESSION.why]) == (9, 2, 2)
    assert "Traceback" not in log.read_text()


@dataclass(frozen=True)
class Seen:
    """What a suite could have seen."""

    case_id: str
    passed: bool
    remote_close_code: int | None


@pytest.mark.parametrize(
    ("seen", "label", "is_right"),
    [
        (Seen("1.1.1", True, 1000), "OK", True),
        (Seen("1.1.1", False, 1000), "FAILED", False),
        (Seen("5.3", False, 1002), "FAILED", False),
        (Seen("1.2.1", False, 1003), "FAILED", True),
        (Seen("1.2.1", False, 1002), "FAILED", False),
        (Seen("1.2.1", False, None), "FAILED", False),
        (Seen("9.1.2", False, 1009), "FAILED", True),
        (Seen("9.1.2", False, 1003), "FAILED", False),
        (Seen("9.7.1", False, 1009), "FAILED", False),
        (Seen("12.1.1", False, 1000), "UNIMPLEMENTED", True),
        (Seen("12.1.1", False, 1000), "FAILED", False),
    ],
)
def test_only_the_refusals_that_are_meant_are_right(seen: Seen, label: str, is_right: bool) -> None:
    assert judge(seen, label).is_right is is_right
