"""Accounts, sessions and refresh tokens: what ends, what is repeated, and what nobody learns."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from logic import passwords
from logic.handlers.people import accounts
from logic.handlers.people import users as profiles
from logic.outcome import Outcome
from protocol.models import Takeover
from store.errors import Contention, Duplicate
from store.tables import purges, sessions, users
from tests.logic.road import Road, code, reply, revoked, work

PASSWORD = "correct horse"
OTHER = "battery staple"


def register(road: Road, username: str = "ann", **more: Any) -> dict[str, Any]:
    return reply(road.call("account.register", username=username, password=PASSWORD, **more))


def session_of(road: Road, token: str) -> str:
    return road.services.signer.verify(token).session


def opens(road: Road, token: str) -> bool:
    """Whether a gateway would open a session with this token."""
    who = road.services.signer.verify(token)
    return code(road.call("session.open", who.user, user=who.user, session=who.session)) == "ok"


def test_an_account_is_registered_and_logged_in(road: Road) -> None:
    made = register(road, name="Ann 安")
    assert made["user"]["name"] == "Ann 安" and opens(road, made["token"])
    assert road.services.signer.verify(made["token"]).user == made["user"]["id"]
    again = reply(road.call("account.login", username="ann", password=PASSWORD, terminal="app", device="phone"))
    assert again["user"] == made["user"]
    assert road.services.signer.verify(again["token"]).device == "phone"


def test_a_name_is_taken_once(road: Road) -> None:
    register(road)
    assert code(road.call("account.register", username="ann", password=OTHER)) == "conflict"
    assert code(road.call("account.register", username="_ann", password=OTHER)) == "bad_field"


@pytest.mark.parametrize("cid", ["c", "~e1.7"])
def test_a_registration_is_repeated_under_its_cid(road: Road, cid: str) -> None:
    """Also one that came back after its worker died behind its COMMIT, under the cid that the gateway gave."""
    first = register(road, cid=cid)
    road.now_ms += 5_000
    assert register(road, cid=cid) == first
    wrong = [{"cid": cid, "password": OTHER}, {"cid": "d", "password": PASSWORD}, {"cid": cid, "name": "Anne"}]
    for other in wrong:
        assert code(road.call("account.register", **{"username": "ann", "password": PASSWORD, **other})) == "conflict"
    road.call("account.logout", first["user"]["id"], session_of(road, first["token"]))
    assert code(road.call("account.register", username="ann", password=PASSWORD, cid=cid)) == "conflict"
    assert not opens(road, first["token"])


@pytest.mark.parametrize("is_retry", [False, True])
def test_of_two_registrations_of_a_name_at_once_there_is_one_account(road: Road, is_retry: bool) -> None:
    """Both found the name free. Begun anew, as the worker does, a retry finds itself, and another one that it came too
    late."""
    both_looked = threading.Barrier(2)

    def meet() -> int:
        with suppress(threading.BrokenBarrierError):
            both_looked.wait(5)
        return road.now_ms

    services = dataclasses.replace(road.services, now_ms=meet)

    def register_at_once(cid: str) -> Outcome:
        data = {"username": "ann", "password": PASSWORD, "cid": cid}
        try:
            return accounts.register(work("account.register", "", data), services)
        except (Duplicate, Contention):
            return road.call("account.register", **data)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(register_at_once, ["c", "c" if is_retry else "d"]))
    assert sorted(map(code, outcomes)) == (["ok", "ok"] if is_retry else ["conflict", "ok"])
    if is_retry:
        assert reply(outcomes[0]) == reply(outcomes[1])


def test_no_answer_tells_whether_a_name_exists(road: Road) -> None:
    register(road)
    refusals = [
        road.call("account.login", username=name, password=word)
        for name, word in [("ann", OTHER), ("nobody", PASSWORD), ("ANN", OTHER), ("an", PASSWORD)]
    ]
    assert {bytes(outcome.answer(1).data) for outcome in refusals} == {bytes(refusals[0].answer(1).data)}
    assert code(refusals[0]) == "unauthenticated"


def test_a_disabled_user_can_neither_log_in_nor_open_a_session(road: Road) -> None:
    made = register(road)
    with road.database.transaction() as tx:
        users.set_disabled(tx, made["user"]["id"], True)
    assert code(road.call("account.login", username="ann", password=PASSWORD)) == "unauthenticated"
    assert not opens(road, made["token"])
    assert code(road.call("token.refresh", refresh=made["refresh"])) == "unauthenticated"


@pytest.mark.parametrize("cid", ["c", "~e1.7"])
def test_a_login_is_repeated_under_its_cid(road: Road, cid: str) -> None:
    """The same answer, to a retry of the client and to a command that came back after its worker died behind its
    COMMIT."""
    made = register(road)
    login = {"username": "ann", "password": PASSWORD, "cid": cid}
    first = reply(road.call("account.login", **login))
    road.call("user.update", made["user"]["id"], name="Anne")
    road.now_ms += 5_000
    assert reply(road.call("account.login", **login)) == first
    with road.database.reading() as tx:
        assert len(sessions.live(tx, made["user"]["id"], road.now_ms)) == 2  # that of the registration, and this one


def test_a_session_that_was_revoked_does_not_live_again_by_its_login(road: Road) -> None:
    made = register(road)
    user, login = made["user"]["id"], {"username": "ann", "password": PASSWORD, "cid": "c", "device": "phone"}
    first = reply(road.call("account.login", **login))
    road.call("account.logout", user, session_of(road, made["token"]), all=True)
    assert code(road.call("account.login", **{**login, "device": "another"})) == "conflict"
    assert code(road.call("account.login", **login)) == "conflict"
    assert not opens(road, first["token"])
    assert code(road.call("token.refresh", refresh=first["refresh"])) == "unauthenticated"
    assert opens(road, reply(road.call("account.login", **{**login, "cid": "d"}))["token"])


def test_a_login_under_the_cid_of_another_device_is_a_conflict(road: Road) -> None:
    register(road)
    login = {"username": "ann", "password": PASSWORD, "cid": "c"}
    first = reply(road.call("account.login", **login, device="phone"))
    assert code(road.call("account.login", **login, device="another")) == "conflict"
    assert code(road.call("account.login", **login, device="phone", terminal="pc")) == "conflict"
    assert reply(road.call("account.login", **login, device="phone")) == first


def test_a_cid_of_an_account_is_one_for_logins_and_all_else(road: Road) -> None:
    made = register(road, cid="r")
    user = made["user"]["id"]
    login = {"username": "ann", "password": PASSWORD}
    assert code(road.call("account.login", **login, cid="r")) == "conflict"
    assert code(road.call("user.update", user, name="Ann", cid="r")) == "conflict"
    assert code(road.call("user.update", user, name="Ann", cid="u")) == "ok"
    assert code(road.call("account.login", **login, cid="u")) == "conflict"
    assert code(road.call("token.refresh", refresh=made["refresh"], cid="u")) == "conflict"
    assert code(road.call("token.refresh", refresh=made["refresh"], cid="t")) == "ok"
    assert code(road.call("user.update", user, name="Ann", cid="t")) == "conflict"


def test_a_new_password_ends_every_other_session(road: Road) -> None:
    made = register(road)
    user, mine = made["user"]["id"], session_of(road, made["token"])
    other = reply(road.call("account.login", username="ann", password=PASSWORD))["token"]
    wrong = road.call("account.password", user, mine, old=OTHER, new=OTHER)
    assert code(wrong) == "forbidden" and opens(road, other)
    changed = road.call("account.password", user, mine, old=PASSWORD, new=OTHER, cid="c")
    assert revoked(changed) == [session_of(road, other)]
    assert opens(road, made["token"]) and not opens(road, other)
    assert code(road.call("account.login", username="ann", password=PASSWORD)) == "unauthenticated"
    assert code(road.call("account.login", username="ann", password=OTHER)) == "ok"


def test_a_change_of_password_is_repeated_under_its_cid(road: Road) -> None:
    made = register(road)
    user, mine = made["user"]["id"], session_of(road, made["token"])
    change = {"cid": "c", "old": PASSWORD, "new": OTHER}
    for _ in range(2):
        assert code(road.call("account.password", user, mine, **change)) == "ok"
    for other in ({"new": "something else"}, {"old": OTHER}):
        assert code(road.call("account.password", user, mine, **{**change, **other})) == "conflict"
    assert code(road.call("account.password", user, mine, cid="d", old=OTHER, new="something else")) == "ok"
    assert code(road.call("account.password", user, mine, **change)) == "ok", "the first answer, whatever came after"
    assert code(road.call("account.login", username="ann", password="something else")) == "ok"


@pytest.mark.parametrize("is_retry", [False, True])
def test_of_two_changes_of_a_password_at_once_one_wins(road: Road, is_retry: bool) -> None:
    """The other finds that the old password is another now; a retry of the same finds itself."""
    made = register(road)
    user, mine = made["user"]["id"], session_of(road, made["token"])
    both_verified = threading.Barrier(2)

    def meet() -> int:
        """The clock is asked after the old password was verified and before anything is written."""
        with suppress(threading.BrokenBarrierError):
            both_verified.wait(5)
        return road.now_ms

    services = dataclasses.replace(road.services, now_ms=meet)

    def change(new: str, cid: str) -> Outcome:
        one = work("account.password", user, {"old": PASSWORD, "new": new, "cid": cid}, session=mine)
        try:
            return accounts.change_password(one, services)
        except Contention:  # it begins anew, as the worker does
            return road.call("account.password", user, mine, old=PASSWORD, new=new, cid=cid)

    news = [OTHER, OTHER if is_retry else "staple battery"]
    with ThreadPoolExecutor(2) as pool:
        outcomes = [f.result() for f in [pool.submit(change, new, new.replace(" ", "-")) for new in news]]
    assert sorted(map(code, outcomes)) == (["ok", "ok"] if is_retry else ["forbidden", "ok"])
    winner = news[[code(outcome) for outcome in outcomes].index("ok")]
    logins = {word: code(road.call("account.login", username="ann", password=word)) for word in {PASSWORD, *news}}
    assert logins == {word: "ok" if word == winner else "unauthenticated" for word in logins}


def test_a_change_of_password_whose_answer_is_purged_while_it_is_repeated_changes_nothing(road: Road) -> None:
    made = register(road)
    user, mine = made["user"]["id"], session_of(road, made["token"])
    change = {"cid": "c", "old": PASSWORD, "new": OTHER}
    assert code(road.call("account.password", user, mine, **change)) == "ok"

    def purged_meanwhile() -> int:
        """The clock is asked after the cid was looked up, so that nobody verified the old password."""
        with road.database.transaction() as tx:
            purges.answers(tx, purges.START, 100, road.now_ms + 1)
        return road.now_ms

    services = dataclasses.replace(road.services, now_ms=purged_meanwhile)
    with pytest.raises(Contention):
        accounts.change_password(work("account.password", user, change, session=mine), services)
    assert code(road.call("account.password", user, mine, **change)) == "forbidden"
    assert code(road.call("account.login", username="ann", password=OTHER)) == "ok"


def test_a_login_that_a_change_of_the_password_overtakes_starts_no_session(road: Road) -> None:
    made = register(road)
    user, mine = made["user"]["id"], session_of(road, made["token"])

    def changed_meanwhile() -> int:
        """The clock is asked after the password was verified and before the session is written."""
        reply(road.call("account.password", user, mine, old=PASSWORD, new=OTHER, cid="meanwhile"))
        return road.now_ms

    services = dataclasses.replace(road.services, now_ms=changed_meanwhile)
    login = work("account.login", "", {"username": "ann", "password": PASSWORD})
    with pytest.raises(Contention):
        accounts.login(login, services)
    assert code(road.call("account.login", username="ann", password=PASSWORD)) == "unauthenticated"


def test_logging_out_ends_this_session_or_all(road: Road) -> None:
    made = register(road)
    user = made["user"]["id"]
    tokens = [reply(road.call("account.login", username="ann", password=PASSWORD))["token"] for _ in range(2)]
    one = road.call("account.logout", user, session_of(road, tokens[0]))
    assert revoked(one) == [session_of(road, tokens[0])]
    assert [opens(road, token) for token in (made["token"], *tokens)] == [True, False, True]
    road.now_ms += 1
    everything = road.call("account.logout", user, session_of(road, made["token"]), all=True)
    assert sorted(revoked(everything)) == sorted(session_of(road, t) for t in (made["token"], tokens[1]))
    assert not opens(road, tokens[1])


def test_a_session_is_of_its_user(road: Road) -> None:
    road.people("bob")
    made = register(road)
    session = session_of(road, made["token"])
    assert code(road.call("session.open", "bob", user="bob", session=session)) == "unauthenticated"
    assert code(road.call("session.open", "bob", user="bob", session="made up")) == "unauthenticated"


def test_only_a_login_that_succeeds_takes_anything_over(road: Road) -> None:
    made = register(road)
    user, session = made["user"]["id"], session_of(road, made["token"])
    takeover = Takeover(user, "web", 7, "d1", "g1.e1.3")
    told = msgspec.to_builtins(takeover)
    opened = road.call("session.open", user, user=user, session=session, takeover=told)
    assert isinstance(opened, Outcome) and opened.effects == [takeover]
    refused = road.call("session.open", user, user=user, session="made up", takeover=told)
    assert isinstance(refused, Outcome) and refused.effects == []
    without = road.call("session.open", user, user=user, session=session)
    assert isinstance(without, Outcome) and without.effects == []
    refreshed = road.call("session.refresh", "", sessions={session: user}, takeovers=[told])
    assert isinstance(refreshed, Outcome) and refreshed.effects == [takeover]


def test_a_gateway_refreshes_what_it_knows_of_many(road: Road) -> None:
    made = register(road)
    user = made["user"]["id"]
    group = road.group("bob", user)
    mine = session_of(road, made["token"])
    gone = session_of(road, reply(road.call("account.login", username="ann", password=PASSWORD))["token"])
    with road.database.transaction() as tx:
        sessions.revoke(tx, [gone], road.now_ms)
    answer = reply(road.call("session.refresh", sessions={mine: user, gone: user, "made up": "bob"}))
    assert sorted(answer["ended"]) == sorted([gone, "made up"])
    assert answer["groups"] == {user: {group: 1}, "bob": {group: 1}}


def test_users_are_found_and_change_themselves(road: Road) -> None:
    road.people("ann", "bob")
    found = reply(road.call("user.get", "ann", ids=["bob", "nobody", "ann", "bob"]))["users"]
    assert [user["id"] for user in found] == ["bob", "ann"]
    changed = reply(road.call("user.update", "ann", name="安", bio="", cid="c"))["user"]
    assert changed["name"] == "安"
    road.call("user.update", "ann", name="Ann")
    assert reply(road.call("user.update", "ann", name="安", bio="", cid="c"))["user"] == changed  # the first answer
    assert reply(road.call("user.get", "bob", ids=["ann"]))["users"][0]["name"] == "Ann"
    assert code(road.call("user.update", "ann", name="x", cid="c")) == "conflict"


def test_a_write_repeated_at_once_is_carried_out_once(road: Road) -> None:
    """Whoever comes second finds the row when it begins anew."""
    road.people("ann")
    update = work("user.update", "ann", {"name": "安", "cid": "c"})

    def tried() -> Outcome:
        for _ in range(3):
            try:
                return profiles.update(update, road.services)
            except (Contention, Duplicate):
                continue
        raise AssertionError("three times were not enough")

    with ThreadPoolExecutor(4) as pool:
        outcomes = [future.result() for future in [pool.submit(tried) for _ in range(8)]]
    assert len({reply(outcome)["user"]["name"] for outcome in outcomes}) == 1


@pytest.mark.parametrize(("one", "other"), [("é", "e\u0301"), ("한", "\u1112\u1161\u11ab")])
def test_a_password_is_the_same_on_every_keyboard(one: str, other: str) -> None:
    stored = passwords.hash_password(one * 8)
    assert passwords.is_password(stored, other * 8)
    assert not passwords.is_password(stored, "e" * 8)
    assert not passwords.is_password(None, "nobody has this password")
    assert not passwords.is_password("no hash", one)


@pytest.mark.parametrize(("old", "new"), [("\uff50assword", "password"), ("\ufb01rst word", "first word")])
def test_a_password_hashed_before_its_form_was_nfkc_is_still_right(old: str, new: str) -> None:
    """Older hashes are of the form NFC."""
    stored = passwords._HASHER.hash(old)
    assert passwords.is_password(stored, old) and not passwords.is_password(stored, new)
    assert passwords.is_password(passwords.hash_password(old), new)


@pytest.mark.parametrize("other", ["bob", "BOB", "\uff22\uff4f\uff42", "bob\u200b"], ids=ascii)
def test_names_that_look_alike_are_one_account(road: Road, other: str) -> None:
    made = register(road, "Bob")
    assert made["user"]["name"] == "Bob"  # as it was typed
    again = road.call("account.register", username=other, password=PASSWORD)
    assert code(again) == ("bad_field" if "\u200b" in other else "conflict")
    assert reply(road.call("account.login", username=other, password=PASSWORD))["user"] == made["user"]


def test_composed_and_decomposed_names_and_passwords_are_one_account(road: Road) -> None:
    made = reply(road.call("account.register", username="caf\u00e9", password="\u00e9t\u00e9 \uff11\uff12\uff13\uff14"))
    login = {"username": "cafe\u0301", "password": "e\u0301te\u0301 1234"}
    assert reply(road.call("account.login", **login))["user"] == made["user"]
    assert code(road.call("account.register", username="cafe\u0301", password=PASSWORD)) == "conflict"
    user, session = made["user"]["id"], session_of(road, made["token"])
    changed = road.call("account.password", user, session, old="e\u0301te\u0301 1234", new="\ufb01rst\u00a0word")
    assert code(changed) == "ok"
    assert code(road.call("account.login", username="CAF\u00c9", password="first word")) == "ok"


@pytest.mark.parametrize("password", ["correct\u200bhorse", "e\u0301" * 7, "tab\tin the middle"], ids=ascii)
def test_a_password_that_few_could_type_again_is_refused(road: Road, password: str) -> None:
    refused = road.call("account.register", username="ann", password=password)
    assert code(refused) == "bad_field" and b'"field":"password"' in bytes(refused.answer(1).data)
    made = register(road)
    changed = road.call(
        "account.password", made["user"]["id"], session_of(road, made["token"]), old=PASSWORD, new=password
    )
    assert code(changed) == "bad_field" and b'"field":"new"' in bytes(changed.answer(1).data)


def test_a_gateway_is_told_how_long_a_session_lasts_and_why_it_has_ended(road: Road) -> None:
    made = register(road)
    user, lasting = made["user"]["id"], session_of(road, made["token"])
    opened = reply(road.call("session.open", user, user=user, session=lasting))
    assert opened["lasts_ms"] == 86_400_000
    revoked_one, expired = (
        session_of(road, reply(road.call("account.login", username="ann", password=PASSWORD))["token"])
        for _ in range(2)
    )
    with road.database.transaction() as tx:
        sessions.revoke(tx, [revoked_one], road.now_ms)
        tx.execute("UPDATE sessions SET expires = %s WHERE id = %s", (road.now_ms, expired))
    asked = {lasting: user, revoked_one: user, expired: user, "made up": user}
    checked = reply(road.call("session.check", sessions=asked))
    assert checked["lasting"] == {lasting: 86_400_000}
    assert {reason: sorted(ended) for reason, ended in checked["ended"].items()} == {
        "logged_out": sorted([revoked_one, "made up"]),
        "expired": [expired],
    }
    refreshed = reply(road.call("session.refresh", sessions=asked))
    assert (sorted(refreshed["ended"]), refreshed["expired"]) == (sorted([revoked_one, "made up"]), [expired])
    with road.database.transaction() as tx:
        users.set_disabled(tx, user, True)
    assert reply(road.call("session.check", sessions={lasting: user}))["ended"] == {"disabled": [lasting]}
