"""Access tokens: what verifies, and that everything else is refused in the same words."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import ImError, unauthenticated
from protocol.tokens import ALGORITHM, AUDIENCE, ISSUER, LEEWAY_S, TokenSigner

SECRET = "a secret of tests, long enough even for the algorithms that we do not take"
SIGNER = TokenSigner(SECRET, access_s=100)
NOW_MS = time.time_ns() // 1_000_000
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ann",
    "sid": "s1",
    "iat": NOW_MS // 1000,
    "exp": NOW_MS // 1000 + 86_400,
}


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signed(**changes: object) -> str:
    claims = {key: value for key, value in {**CLAIMS, **changes}.items() if value is not None}
    return jwt.encode(claims, SECRET, ALGORITHM)


def _refusal(token: str) -> ImError:
    with pytest.raises(ImError) as refused:
        SIGNER.verify(token)
    return refused.value


def test_what_was_issued_verifies() -> None:
    now = time.time_ns() // 1_000_000  # not that of the collection: a long run outlives the token
    token, expires = SIGNER.issue("ann", "s1", "app", "phone", now)
    who = SIGNER.verify(token)
    assert (who.user, who.session, who.terminal, who.device) == ("ann", "s1", "app", "phone")
    assert expires == now + 100_000
    assert abs(who.expires - expires) < 1000


@pytest.mark.parametrize("ahead_s", [31, -31, LEEWAY_S - 15, 15 - LEEWAY_S])
def test_a_clock_that_is_ahead_or_ran_back_by_less_than_the_leeway_refuses_no_token(ahead_s: int) -> None:
    """The clock of a worker that issues: ahead, its tokens begin in the future; behind, they are over."""
    token, _ = SIGNER.issue("ann", "s1", "app", "phone", time.time_ns() // 1_000_000 + ahead_s * 1000)
    assert SIGNER.verify(token).user == "ann"
    late = int(time.time()) - LEEWAY_S + 15
    assert SIGNER.verify(_signed(exp=late)).user == "ann"


def test_a_token_of_a_future_beyond_the_leeway_is_refused() -> None:
    token, _ = SIGNER.issue("ann", "s1", "app", "phone", time.time_ns() // 1_000_000 + (LEEWAY_S + 15) * 1000)
    assert _refusal(token).code == "unauthenticated"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "é.é.é",
        "x" * 5000,
        _signed(exp=NOW_MS // 1000 - LEEWAY_S - 10),
        _signed(aud="other"),
        _signed(iss="other"),
        _signed(sub=None),
        _signed(sub=7),
        _signed(sid=None),
        _signed(exp=None),
        _signed(iat=None),
        _signed() + "A",
        jwt.encode(CLAIMS, "another secret that is long enough too", ALGORITHM),
        jwt.encode(CLAIMS, SECRET, "HS512"),
        f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(CLAIMS)}.",
        f"{_part({'alg': ['HS256']})}.{_part(CLAIMS)}.AA",
        f"{_part({})}.{_part(CLAIMS)}.AA",
        f"{_part(b'[' * 2900)}.e30.AA",
    ],
)
def test_anything_else_is_refused_in_the_same_words(token: str) -> None:
    assert _refusal(token).data() == unauthenticated().data()


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(token: str) -> None:
    assert _refusal(token).code == "unauthenticated"


def test_no_secret_is_shown() -> None:
    assert SECRET not in repr(SIGNER)
