"""Access tokens: JWT (RFC 7519), signed with HS256 and nothing else. Pure.

A gateway verifies a token by itself. Whether its session is still valid only the store knows: `session.open` asks it.
"""

from __future__ import annotations

import jwt

from protocol.errors import unauthenticated
from protocol.models import SessionInfo

ALGORITHM = "HS256"
ISSUER = "hongyan"
AUDIENCE = "hongyan"
LEEWAY_S = 300
MAX_TOKEN_CHARACTERS = 4096


class TokenSigner:
    """Issues and verifies with one secret. A token is good for `access_s` seconds. Any thread may use it."""

    def __init__(self, secret: str, access_s: int) -> None:
        self._secret = secret
        self._access_ms = access_s * 1000

    def __repr__(self) -> str:
        return f"TokenSigner({self._access_ms // 1000} s)"

    def issue(self, user: str, session: str, terminal: str, device: str, now_ms: int) -> tuple[str, int]:
        """(token, its end in ms). `now_ms` is when it begins; its claims hold whole seconds (RFC 7519 section 4.1)."""
        expires_ms = now_ms + self._access_ms
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "sid": session,
            "term": terminal,
            "dev": device,
            "iat": now_ms // 1000,
            "exp": expires_ms // 1000,
        }
        return jwt.encode(claims, self._secret, ALGORITHM), expires_ms

    def verify(self, token: str) -> SessionInfo:
        """The claims of a token that is valid now, give or take the 300 s by which clocks may differ: one of the near
        future is good, too. Raises ImError unauthenticated, with the same words whatever is wrong with it."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise unauthenticated()
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "sid"]},
            )
            return SessionInfo(
                user=claims["sub"],
                session=str(claims["sid"]),
                terminal=str(claims.get("term", "web")),
                device=str(claims.get("dev", "")),
                issued=int(claims["iat"]) * 1000,
                expires=int(claims["exp"]) * 1000,
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise unauthenticated() from None
