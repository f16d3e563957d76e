"""What a case of the Autobahn suite shows, given what Hongyan refuses on purpose. Pure.

Law: a case either passes, or the gateway refused it in exactly the way that its `Refusal` names. Anything else failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Protocol

UNIMPLEMENTED = "UNIMPLEMENTED"


class Result(Protocol):
    """What of kosoku's CaseResult is looked at."""

    @property
    def case_id(self) -> str: ...
    @property
    def passed(self) -> bool: ...
    @property
    def remote_close_code(self) -> int | None: ...


@dataclass(frozen=True)
class Refusal:
    """Cases whose message the gateway refuses, the close codes by which it does, and why. No code: it is not refused,
    what the case asks for is not negotiated."""

    cases: tuple[str, ...]
    codes: tuple[int, ...]
    why: str


BINARY = Refusal(("1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*"), (1003,), "binary: frames are JSON text")
SIZE = Refusal(("9.1.*", "9.3.*", "9.5.*"), (1008, 1009), "a message of more than 64 KiB, or in more than 64 fragments")
COMPRESSION = Refusal(("12.*", "13.*"), (1000,), "permessage-deflate is never negotiated")
REFUSALS = (BINARY, SIZE, COMPRESSION)


def refusal_of(case: str) -> Refusal | None:
    """How the gateway may refuse this case, if it may."""
    return next((refusal for refusal in REFUSALS if any(fnmatch(case, cases) for cases in refusal.cases)), None)


@dataclass(frozen=True)
class Verdict:
    """`label` is Autobahn's word where the case passed, else the reason of the refusal, or "FAILED"."""

    case: str
    label: str
    is_right: bool

    @property
    def group(self) -> int:
        return int(self.case.partition(".")[0])


def judge(result: Result, label: str) -> Verdict:
    """`label` is Autobahn's word for what came back."""
    if result.passed:
        return Verdict(result.case_id, label, is_right=True)
    refusal = refusal_of(result.case_id)
    if refusal is not None and result.remote_close_code in refusal.codes:
        is_right = refusal is not COMPRESSION or label == UNIMPLEMENTED
        return Verdict(result.case_id, refusal.why, is_right)
    return Verdict(result.case_id, "FAILED", is_right=False)
