"""Wrong guesses at passwords: waits that grow, and whom they do not keep out."""

from __future__ import annotations

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2 import PasswordHasher

from logic import passwords
from logic.handlers.people import accounts, guessing
from logic.handlers.people.guessing import LIMITS
from logic.handlers.table import HANDLERS
from logic.outcome import Outcome
from protocol.addresses import network_of
from store.errors import Contention
from tests.logic.road import Road, code, reply, work

PASSWORD, WRONG = "correct horse", "incorrect horse"
HOME, AWAY, STRANGER = "203.0.113.1", "203.0.113.2", "198.51.100.9"
FREE = LIMITS["place"].free


class Hashing:
    """Counts the passwords that are hashed."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def __call__(self, stored: str | None, password: str) -> bool:
        with self._lock:
            self.count += 1
        return passwords.is_password(stored, password)


@pytest.fixture(autouse=True)
def hashing(monkeypatch: pytest.MonkeyPatch) -> Hashing:
    counted = Hashing()
    monkeypatch.setattr(accounts, "is_password", counted)
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return counted


def run(road: Road, op: str, address: str, sender: str = "", session: str = "", **data: Any) -> Outcome:
    one = work(op, sender, data, session=session, address=address)
    for _ in range(3):
        try:
            return HANDLERS[op].run([one], road.services)[0]
        except Contention:
            continue
    raise AssertionError("three times were not enough")


def login(
    road: Road, username: str = "ann", password: str = WRONG, address: str = STRANGER, device: str = ""
) -> Outcome:
    return run(road, "account.login", address, username=username, password=password, device=device)


def register(road: Road, username: str = "ann", address: str = HOME) -> dict[str, Any]:
    return reply(run(road, "account.register", address, username=username, password=PASSWORD))


def wait(outcome: Outcome) -> int:
    """For how long a guess is to wait."""
    answer = json.loads(bytes(outcome.answer(1).data))
    assert answer["code"] == "rate_limited" and answer["retry"]
    return int(answer["retry_after"])


def later(road: Road, seconds: int) -> None:
    with road.database.transaction() as tx:
        tx.execute("UPDATE guesses SET time = time - %s", (seconds * 1000,))


def guess_until_limited(road: Road, **where: str) -> None:
    for _ in range(100):
        if code(login(road, **where)) == "rate_limited":
            return
    raise AssertionError("a hundred guesses, and no end")


def test_guesses_at_an_account_wait_longer_and_longer_and_cost_no_hash(road: Road, hashing: Hashing) -> None:
    register(road)
    assert [code(login(road)) for _ in range(FREE)] == ["unauthenticated"] * FREE
    assert hashing.count == FREE
    waits = []
    for _ in range(12):
        waits.append(wait(login(road)))
        assert code(login(road, password=PASSWORD)) == "rate_limited"  # nor does an answer tell which is right
        later(road, waits[-1])
        assert code(login(road)) == "unauthenticated"
    assert hashing.count == FREE + 12
    assert waits[:6] == [1, 2, 4, 8, 16, 32] and waits == sorted(waits)
    assert waits[-1] <= LIMITS["place"].longest_s


def test_190_guesses_at_once_are_a_few_guesses(road: Road, hashing: Hashing) -> None:
    """On however many threads and workers: each is counted before it is hashed."""
    register(road)
    with ThreadPoolExecutor(4) as pool:
        codes = [code(outcome) for outcome in pool.map(lambda _: login(road), range(190))]
    assert codes.count("unauthenticated") == hashing.count
    assert FREE <= hashing.count <= FREE + 2  # on a slow machine a second may have gone by
    assert codes.count("rate_limited") == 190 - hashing.count


def test_after_the_wait_the_right_password_is_taken_and_all_is_forgiven(road: Road) -> None:
    register(road)
    guess_until_limited(road)
    later(road, 1)
    assert code(login(road, password=PASSWORD)) == "ok"
    assert [code(login(road)) for _ in range(FREE)] == ["unauthenticated"] * FREE


def test_a_login_that_begins_anew_after_a_contention_counts_once(road: Road) -> None:
    register(road)
    guess_until_limited(road)
    later(road, 1)
    contentions = iter([Contention("a deadlock, once its password was verified")])

    def contended() -> int:
        for contention in contentions:
            raise contention
        return road.now_ms

    road.services = dataclasses.replace(road.services, now_ms=contended)
    assert code(login(road, password=PASSWORD)) == "ok"


def test_wrong_guesses_are_forgiven_with_time(road: Road) -> None:
    register(road)
    guess_until_limited(road)
    later(road, FREE * LIMITS["place"].longest_s)
    assert [code(login(road)) for _ in range(FREE)] == ["unauthenticated"] * FREE
    assert code(login(road)) == "rate_limited"


def test_a_stranger_who_guesses_keeps_nobody_out(road: Road) -> None:
    """Neither where the user was before, nor, as long as it is one stranger, where it was not."""
    register(road, address=HOME)
    guess_until_limited(road, address=STRANGER)
    assert code(login(road, password=PASSWORD, address=HOME)) == "ok"
    assert code(login(road, password=PASSWORD, address=AWAY)) == "ok"


def test_strangers_from_everywhere_keep_out_no_place_and_no_device_that_is_known(road: Road) -> None:
    register(road, address=HOME)
    assert code(login(road, password=PASSWORD, address=HOME, device="phone-7f3a")) == "ok"
    for number in range(100):
        if code(login(road, address=f"198.51.100.{number}")) == "rate_limited":
            break
    assert number == LIMITS["account"].free
    assert code(login(road, password=PASSWORD, address=AWAY)) == "rate_limited"
    assert code(login(road, password=PASSWORD, address=AWAY, device="phone-other")) == "rate_limited"
    assert code(login(road, password=PASSWORD, address=HOME)) == "ok"
    assert code(login(road, password=PASSWORD, address=AWAY, device="phone-7f3a")) == "ok"
    assert code(login(road, password=PASSWORD, address=AWAY)) == "ok"  # it is known now
    later(road, LIMITS["account"].longest_s)
    assert code(login(road, password=PASSWORD, address="203.0.113.77")) == "ok"


def test_a_known_place_is_guessed_at_no_faster(road: Road) -> None:
    register(road, address=HOME)
    assert [code(login(road, address=HOME)) for _ in range(FREE + 1)] == ["unauthenticated"] * FREE + ["rate_limited"]


def test_a_name_that_nobody_has_is_limited_like_one_that_somebody_has(road: Road) -> None:
    register(road)
    answers = {}
    for username in ("ann", "nobody", "ANN", "No\u200bBody"):
        address = f"198.51.100.{len(answers)}"
        told = [bytes(login(road, username, address=address).answer(1).data) for _ in range(FREE + 2)]
        answers[username] = told
    assert len({tuple(told) for told in answers.values()}) == 1


def test_one_address_that_tries_many_accounts_is_limited(road: Road, hashing: Hashing) -> None:
    """All of an IPv6 /64 are one. Who has logged in from there before does not notice; nor does anybody elsewhere."""
    register(road, "ann", address="2001:db8:0:7::1")
    register(road, "bob", address=HOME)
    free = LIMITS["address"].free
    codes = [code(login(road, f"user{n}", address=f"2001:db8:0:7::{n:x}")) for n in range(2, free + 5)]
    assert codes[:free] == ["unauthenticated"] * free and codes[-1] == "rate_limited"
    assert hashing.count == codes.count("unauthenticated")
    assert code(login(road, "bob", PASSWORD, address="2001:db8:0:7::ffff")) == "rate_limited"
    assert code(login(road, "ann", PASSWORD, address="2001:db8:0:7::ffff")) == "ok"
    assert code(login(road, "bob", PASSWORD, address="2001:db8:0:8::1")) == "ok"


@pytest.mark.parametrize("address", ["", "127.0.0.1", "::1", "10.0.0.7", "2001:db8:5::7"])
def test_an_address_that_many_have_in_common_is_not_limited(road: Road, address: str) -> None:
    """Nobody is to pay for a proxy that the gateway does not know, or for a load balancer before the door."""
    shared = (*road.services.shared_networks, "10.0.0.0/24", "2001:db8:5::/48")
    road.services = dataclasses.replace(road.services, shared_networks=shared)
    many = LIMITS["address"].free + 5
    codes = {code(login(road, f"user{number}", address=address)) for number in range(many)}
    assert codes == {"unauthenticated"}


def test_right_passwords_are_never_limited(road: Road) -> None:
    register(road)
    for number in range(LIMITS["account"].free + 5):
        assert code(login(road, password=PASSWORD, address=f"198.51.100.{number}")) == "ok"
        assert code(login(road, password=PASSWORD)) == "ok"


def test_a_login_that_is_repeated_under_its_cid_is_never_limited(road: Road) -> None:
    """Nor is one whose first try may be stored already: nobody may say that nothing was done."""
    register(road)
    answers = [login_under("mine", road) for _ in range(FREE + 3)]
    assert {code(answer) for answer in answers} == {"ok"} and len({answer.reply for answer in answers}) == 1
    guess_until_limited(road)
    assert code(login_under("mine", road)) == "rate_limited"
    assert code(login_under("mine", road, redelivered=True)) == "ok"


def login_under(cid: str, road: Road, redelivered: bool = False) -> Outcome:
    data = {"username": "ann", "password": PASSWORD, "cid": cid}
    again = work("account.login", "", data, address=STRANGER, redelivered=redelivered)
    return HANDLERS["account.login"].run([again], road.services)[0]


def test_guesses_at_the_old_password_are_limited_by_session(road: Road, hashing: Hashing) -> None:
    made = register(road)
    user = made["user"]["id"]
    mine, other = (
        road.services.signer.verify(t["token"]).session for t in (made, reply(login(road, password=PASSWORD)))
    )
    hashing.count = 0

    def change(session: str, old: str, new: str = "battery staple", cid: str = "") -> Outcome:
        return run(road, "account.password", HOME, user, session, old=old, new=new, **({"cid": cid} if cid else {}))

    assert [code(change(mine, WRONG)) for _ in range(FREE + 1)] == ["forbidden"] * FREE + ["rate_limited"]
    assert code(change(mine, PASSWORD)) == "rate_limited" and hashing.count == FREE
    assert code(login(road, password=PASSWORD, address=HOME)) == "ok"
    assert code(change(other, PASSWORD, cid="c")) == "ok"
    assert code(change(other, PASSWORD, cid="c")) == "ok"


def test_a_registration_that_is_repeated_is_no_way_to_guess(road: Road, hashing: Hashing) -> None:
    again = {"username": "ann", "cid": "c1"}
    reply(run(road, "account.register", HOME, password=PASSWORD, **again))
    codes = [code(run(road, "account.register", STRANGER, password=WRONG, **again)) for _ in range(FREE + 1)]
    assert codes == ["conflict"] * FREE + ["rate_limited"]
    assert code(run(road, "account.register", HOME, password=PASSWORD, **again)) == "ok"


def test_guesses_at_all_workers_count_together(road: Road) -> None:
    """Their clocks do not: that of the store is the one for all."""
    register(road)
    another = Road(road.database)
    another.now_ms += 3_600_000
    codes = [code(login((road, another)[number % 2])) for number in range(FREE + 1)]
    assert codes == ["unauthenticated"] * FREE + ["rate_limited"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("", ""),
        ("no address", ""),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:0:7:1:2:3:4", "2001:db8:0:7::/64"),
        ("2001:db8:0:7::", "2001:db8:0:7::/64"),
    ],
)
def test_whose_addresses_are_one_guessers(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_lane_shares_by_network_and_account() -> None:
    one = work("account.login", "", {"username": "Bob", "password": "x"}, address="2001:db8::1")
    assert guessing.share(one) == ("2001:db8::/64", "bob")
    assert guessing.share(work("account.password", "u1", {"old": "x", "new": "correct horse"})) == ("", "u1")
