"""How often passwords may be guessed: growing waits, never a lock (docs/decisions/0034-names-and-guesses.md).

Laws: a guess is counted as wrong before its password is hashed, and taken back if it was right: whatever comes at once,
on however many workers, no more is hashed than may be. One that comes too soon is refused without a hash, whether there
is such an account or not, and counts for nothing. At a place from which this account was logged in to before, a network
or a device, only the wrong guesses from there count: what strangers do elsewhere keeps nobody out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from logic.services import Services
from logic.work import Work
from protocol import ids
from protocol.addresses import network_of
from protocol.errors import rate_limited
from protocol.usernames import username_key
from store.tables import guesses
from store.tables.guesses import GuessRow
from store.transaction import Transaction

ONE = 1000  # a guess, in the store's thousandths
LEVEL_MS = 86_400_000  # in less every level has sunk to nothing
KNOWN_MS = 90 * 86_400_000
MAX_DOUBLINGS = 20


@dataclass(frozen=True)
class Limit:
    """`free` wrong guesses cost nothing. Each further one doubles the wait before the next, from 1 s up to `longest_s`;
    in so many seconds one is forgiven."""

    free: int
    longest_s: int

    def wait_ms(self, row: GuessRow, now_ms: int) -> int:
        """How long it still is until the next guess is taken."""
        doublings = row.level / ONE - self.free
        if doublings < -0.5:  # not 0: a little was forgiven while it was counted
            return 0
        wait_s = min(self.longest_s, 2 ** max(0, min(MAX_DOUBLINGS, doublings)))
        return max(0, round(wait_s * 1000) - max(0, now_ms - row.time))

    def raised(self, row: GuessRow, now_ms: int) -> GuessRow:
        """The row after one more wrong guess."""
        forgiven = max(0, now_ms - row.time) * ONE // (self.longest_s * 1000)
        level = max(0, row.level - forgiven) + ONE
        return row._replace(level=level, time=now_ms, ends=max(row.ends, now_ms + LEVEL_MS))


LIMITS = {"place": Limit(5, 900), "account": Limit(20, 300), "address": Limit(50, 60)}
"""By what a name begins with: an account from one network or device; an account, from all places that are not known;
a network, for all accounts that were never logged in to from there."""


class Guess(NamedTuple):
    """Who guesses. `places` are names of where it comes from, the one that tells most first; `common` the names that
    count, together with the last place, where none of the places is known. `is_known`: a session vouches for it."""

    places: tuple[str, ...]
    common: tuple[str, ...]
    is_known: bool = False


class Admitted(NamedTuple):
    """A guess that may be hashed, and the names under which it was counted, a place first; none where it was counted
    before."""

    guess: Guess
    counted: tuple[str, ...]


def share(work: Work) -> tuple[str, str]:
    """Whose turn a command with a password takes: (network, account)."""
    username = getattr(work.args, "username", None)
    return network_of(work.envelope.address), work.sender.user if username is None else username_key(username)


def by_name(services: Services, work: Work, device: str = "") -> Guess:
    """A guess at the password of the account `username`, whether or not it exists."""
    network, account = share(work)
    places = [_name("place", account, "network", network)]
    if device:
        places.insert(0, _name("place", account, "device", device))
    common = [_name("account", account)]
    if network and not _is_shared(network, services.shared_networks):
        common.append(_name("address", network))
    return Guess(tuple(places), tuple(common))


def by_session(work: Work) -> Guess:
    """A guess at the caller's own password: only those of the same session count."""
    return Guess((_name("place", work.sender.user, "session", work.envelope.session),), (), is_known=True)


def admit(services: Services, work: Work, guess: Guess) -> Admitted:
    """Count the guess as wrong. Raises ImError rate_limited where it comes too soon. What may be stored already was
    admitted then, and is not refused now; nor is what begins anew after a contention, which counts once."""
    if work.may_be_stored:
        return Admitted(guess, ())
    if work.guessed_under is not None:
        return Admitted(guess, work.guessed_under)
    with services.database.reading() as tx:
        counted = _counted(guess, guesses.get(tx, [*guess.places, *guess.common]), tx.now_ms())
    with services.database.transaction() as tx:
        rows, now = guesses.hold(tx, counted), tx.now_ms()
        _require_no_wait(rows.values(), now)
        guesses.put(tx, [_limit(name).raised(row, now) for name, row in rows.items()])
    work.guessed_under = counted
    return Admitted(guess, counted)


def was_right(tx: Transaction, admitted: Admitted) -> None:
    """The password was right: the guess is taken back, and its places are known from now on."""
    guess, counted = admitted
    now = tx.now_ms()
    guesses.lower(tx, counted[1:], ONE)  # in the order in which `admit` locks them
    guesses.remember(tx, [GuessRow(place, 0, True, 0, now + KNOWN_MS) for place in guess.places])
    guesses.put(tx, [GuessRow(place, 0, True, now, now + KNOWN_MS) for place in counted[:1]])


def _is_shared(network: str, shared: Iterable[str]) -> bool:
    """Whether so many have it in common that its wrong guesses say nothing of any of them."""
    mine = ipaddress.ip_network(network)
    return any(mine.overlaps(one) for one in map(ipaddress.ip_network, shared) if one.version == mine.version)


def _name(kind: str, *parts: str) -> str:
    return f"{kind}:{ids.derived_id(*parts)}"


def _limit(name: str) -> Limit:
    return LIMITS[name.partition(":")[0]]


def _counted(guess: Guess, rows: Mapping[str, GuessRow], now_ms: int) -> tuple[str, ...]:
    """The names that count now: a known place alone, else the last place and all that is common. Raises ImError
    rate_limited."""
    known = [place for place in guess.places if guess.is_known or rows[place].known]
    for place in known:
        if not _limit(place).wait_ms(rows[place], now_ms):
            return (place,)
    counted = known[:1] or [guess.places[-1], *guess.common]
    _require_no_wait([rows[name] for name in counted], now_ms)
    return tuple(counted)


def _require_no_wait(rows: Iterable[GuessRow], now_ms: int) -> None:
    wait_ms = max(_limit(row.name).wait_ms(row, now_ms) for row in rows)
    if wait_ms:
        raise rate_limited(ceil(wait_ms / 1000))
