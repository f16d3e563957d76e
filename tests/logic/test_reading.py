"""message.history, message.read, conversation.list and sync: what a user gets, in what portions, and what not."""

from __future__ import annotations

from typing import Any

import pytest

from logic.handlers.sizes import message_bytes
from logic.outcome import Outcome, message_frame, message_of
from protocol import codec
from protocol.frames import MAX_SERVER_FRAME_BYTES
from protocol.models import Push
from tests.logic.road import EPOCH_OF_OTHERS, Road, code, private, pushed, reply, send
from tests.store.rows import message

AB = private("ann", "bob")


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob", "cat")


def _history(road: Road, user: str, conversation: str, **more: Any) -> tuple[list[int], int]:
    data = reply(road.call("message.history", user, conversation=conversation, **more))
    return [m["seq"] for m in data["messages"]], data["max_seq"]


def _sync(road: Road, user: str, **cursors_and_more: Any) -> dict[str, Any]:
    return reply(road.call("sync", user, **{"cursors": {}, **cursors_and_more}))


class TestHistory:
    def test_pages_go_both_ways_in_ascending_order(self, road: Road) -> None:
        road.write("ann", AB, 120)
        assert _history(road, "bob", AB) == (list(range(71, 121)), 120)
        assert _history(road, "bob", AB, limit=200)[0] == list(range(1, 121))
        assert _history(road, "bob", AB, before=71, limit=50)[0] == list(range(21, 71))
        assert _history(road, "bob", AB, after=0, limit=3)[0] == [1, 2, 3]
        assert _history(road, "bob", AB, after=119)[0] == [120]
        assert _history(road, "bob", AB, after=500) == ([], 120)
        assert _history(road, "bob", AB, before=1) == ([], 120)

    def test_both_ends_at_once_are_refused(self, road: Road) -> None:
        assert code(road.call("message.history", "ann", conversation=AB, before=2, after=1)) == "bad_field"

    def test_a_pair_that_never_wrote_is_empty_and_a_peer_who_does_not_exist_is_not_found(self, road: Road) -> None:
        assert _history(road, "ann", AB) == ([], 0)
        assert _history(road, "ann", "s:ann") == ([], 0)
        assert code(road.call("message.history", "ann", conversation="p:ann:nobody")) == "not_found"

    def test_a_member_reads_from_its_own_join_on(self, road: Road) -> None:
        group = road.group("ann", "bob")
        road.write("ann", f"g:{group}", 3)
        road.do("group.invite", "ann", group=group, users=["cat"])
        road.write("ann", f"g:{group}", 1)
        assert _history(road, "cat", f"g:{group}", after=0) == ([5, 6], 6)
        assert _history(road, "cat", f"g:{group}") == ([5, 6], 6)
        assert _history(road, "bob", f"g:{group}")[0] == [1, 2, 3, 4, 5, 6]

    def test_a_page_ends_where_a_frame_would(self, road: Road) -> None:
        road.write("ann", AB, 20, "x" * 16_000)
        answer = road.call("message.history", "bob", conversation=AB, after=0, limit=200)
        assert isinstance(answer.reply, bytes) and len(answer.reply) < MAX_SERVER_FRAME_BYTES
        first, _ = _history(road, "bob", AB, after=0, limit=200)
        assert first == list(range(1, len(first) + 1)) and len(first) == 6
        newest, _ = _history(road, "bob", AB)
        assert newest == list(range(21 - len(first), 21))

    def test_a_message_takes_no_more_than_is_counted_for_it(self) -> None:
        ident, cid = "x" * 64, '"\\' * 32
        row = message(f"p:{ident}:{ident}", 2**53, ident, cid, type="markdown" * 2, reply_to=2**53, time=2**53)
        row = row._replace(mentions=codec.write([ident] * 200).decode(), changed=2**53, recalled=1)
        assert len(codec.write_struct(message_of(row))) <= message_bytes(row)
        assert len(message_frame(row)) > 0


class TestRead:
    def test_a_cursor_never_goes_back(self, road: Road) -> None:
        road.write("ann", AB, 5)
        stands = [reply(road.call("message.read", "bob", conversation=AB, seq=seq))["read_seq"] for seq in (2, 4, 3, 5)]
        assert stands == [2, 4, 4, 5]

    def test_nobody_reads_what_was_not_written(self, road: Road) -> None:
        road.write("ann", AB, 5)
        assert code(road.call("message.read", "bob", conversation=AB, seq=6)) == "bad_field"
        for conversation in (AB, "g:nowhere", "p:bob:cat"):
            expected = "bad_field" if conversation == "p:bob:cat" else "not_found"
            assert code(road.call("message.read", "cat", conversation=conversation, seq=1)) == expected

    def test_a_receipt_is_for_both_people(self, road: Road) -> None:
        road.write("ann", AB, 3)
        (push,) = road.call("message.read", "bob", conversation=AB, seq=2).effects
        assert isinstance(push, Push) and push.users == ["ann", "bob"]
        assert pushed(push) == {"op": "receipt", "data": {"conversation": AB, "user": "bob", "read_seq": 2}}

    def test_in_a_group_it_is_for_oneself_only(self, road: Road) -> None:
        group = road.group("ann", "bob")
        (push,) = road.call("message.read", "bob", conversation=f"g:{group}", seq=1).effects
        assert isinstance(push, Push) and (push.users, push.group) == (["bob"], "")


class TestConversations:
    def test_the_newest_comes_first_with_what_is_unread(self, road: Road) -> None:
        group = road.group("ann", "bob")
        road.run(send("ann", f"g:{group}", mentions=["all"]), send("ann", f"g:{group}", mentions=["bob"]))
        road.now_ms += 1
        road.write("ann", AB, 3)
        listed = reply(road.call("conversation.list", "bob"))["conversations"]
        by_name = {c["conversation"]: c for c in listed}
        assert (by_name[AB]["unread"], by_name[AB]["mentioned"], by_name[AB]["last"]["seq"]) == (3, False, 3)
        assert (by_name[f"g:{group}"]["unread"], by_name[f"g:{group}"]["mentioned"]) == (2, True)
        road.call("message.read", "bob", conversation=f"g:{group}", seq=3)
        again = {c["conversation"]: c for c in reply(road.call("conversation.list", "bob"))["conversations"]}
        assert (again[f"g:{group}"]["unread"], again[f"g:{group}"]["mentioned"]) == (0, False)
        assert reply(road.call("conversation.list", "cat"))["conversations"] == []

    def test_sending_reads_and_the_peer_is_seen_to_have_read(self, road: Road) -> None:
        road.write("ann", AB, 2)
        road.write("bob", AB, 1)
        (mine,) = reply(road.call("conversation.list", "ann"))["conversations"]
        assert (mine["read_seq"], mine["unread"], mine["peer_read_seq"]) == (2, 1, 3)

    def test_pages_have_everything_once(self, road: Road) -> None:
        names = [f"u{number:02}" for number in range(25)]
        road.people(*names)
        road.run(*(send(name, private("ann", name)) for name in names))
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = reply(road.call("conversation.list", "ann", limit=10, **after))
            seen += [c["conversation"] for c in page["conversations"]]
            if "next" not in page:
                break
            after = {"after": page["next"]}
        assert sorted(seen) == sorted(private("ann", name) for name in names)

    @pytest.mark.parametrize("after", ["", "x", "²:g:x", "1:", ":g:x", "-1:g:x", "9" * 17 + ":g:x", "~5:鸿雁", "5:雁"])
    def test_a_made_up_page_is_refused(self, road: Road, after: str) -> None:
        assert code(road.call("conversation.list", "ann", after=after)) == "bad_field"


class TestSync:
    def test_a_new_device_gets_what_is_unread(self, road: Road) -> None:
        road.write("ann", AB, 5)
        road.call("message.read", "bob", conversation=AB, seq=3)
        synced = _sync(road, "bob")
        (entry,) = synced["conversations"]
        assert entry == {"conversation": AB, "max_seq": 5, "read_seq": 3, "unread": 2, "from": 4}
        assert [m["seq"] for m in synced["messages"]] == [4, 5]
        assert (synced["more"], synced["gone"], synced["epoch"]) == ([], [], road.epoch)

    def test_a_device_gets_what_is_beyond_its_cursors(self, road: Road) -> None:
        road.write("ann", AB, 5)
        assert [m["seq"] for m in _sync(road, "bob", cursors={AB: 2})["messages"]] == [3, 4, 5]
        assert _sync(road, "ann", cursors={AB: 5})["conversations"] == []
        ahead = _sync(road, "bob", cursors={AB: 99})
        assert ahead["messages"] == [] and ahead["conversations"][0]["from"] == 6

    def test_another_epoch_makes_cursors_worthless(self, road: Road) -> None:
        road.write("ann", AB, 5)
        assert len(_sync(road, "bob", cursors={AB: 5}, epoch=EPOCH_OF_OTHERS)["messages"]) == 5
        assert len(_sync(road, "bob", cursors={AB: 5}, epoch=road.epoch)["messages"]) == 0

    def test_another_epoch_does_not_make_conversations_gone(self, road: Road) -> None:
        road.write("ann", AB, 5)
        synced = _sync(road, "bob", cursors={AB: 5}, epoch=EPOCH_OF_OTHERS, only=True)
        assert synced["gone"] == []
        assert [m["seq"] for m in synced["messages"]] == [1, 2, 3, 4, 5]

    def test_only_answers_for_what_is_named(self, road: Road) -> None:
        road.write("ann", AB, 1)
        road.write("cat", private("bob", "cat"), 1)
        synced = _sync(road, "bob", cursors={AB: 0}, only=True)
        assert [c["conversation"] for c in synced["conversations"]] == [AB]

    def test_who_was_removed_sees_how_it_ended_and_nothing_after(self, road: Road) -> None:
        group = road.group("ann", "bob")
        conversation = f"g:{group}"
        road.write("ann", conversation, 1)
        road.do("group.remove", "ann", group=group, users=["bob"])
        road.write("ann", conversation, 2)
        synced = _sync(road, "bob", cursors={conversation: 1, "g:nowhere": 4, "p:bob:cat": 7})
        assert [m["seq"] for m in synced["messages"]] == [2, 3]
        assert synced["gone"] == sorted([conversation, "g:nowhere", "p:bob:cat"])
        assert synced["more"] == []
        assert _sync(road, "bob")["conversations"] == []
        road.do("group.invite", "ann", group=group, users=["bob"])
        back = _sync(road, "bob", cursors={conversation: 3})
        assert back["gone"] == [] and back["conversations"][0]["from"] == 6
        assert [m["seq"] for m in back["messages"]] == [6]

    def test_what_does_not_fit_is_named_and_can_be_fetched(self, road: Road) -> None:
        others = [f"u{number}" for number in range(4)]
        road.people(*others)
        for other in others:
            road.write(other, private("ann", other), 200)
        synced = _sync(road, "ann")
        got: dict[str, list[int]] = {}
        for one in synced["messages"]:
            got.setdefault(one["conversation"], []).append(one["seq"])
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in got.values())
        assert len(synced["messages"]) <= 500
        for conversation in synced["more"]:
            last = got.get(conversation, [0])[-1]
            while last < 200:
                seqs, _ = _history(road, "ann", conversation, after=last, limit=200)
                assert seqs[0] == last + 1
                last = seqs[-1]
        assert sorted(synced["more"]) == sorted(
            c for c in {private("ann", o) for o in others} if len(got.get(c, [])) < 200
        )

    def test_large_messages_leave_room_in_the_frame(self, road: Road) -> None:
        for other in ("bob", "cat"):
            road.write(other, private("ann", other), 10, "鸿" * 5000)
        answer = road.call("sync", "ann", cursors={f"g:{'x' * 60}{number}": 1 for number in range(399)})
        assert isinstance(answer.reply, bytes) and len(answer.reply) < MAX_SERVER_FRAME_BYTES
        synced = reply(answer)
        assert synced["messages"] and set(synced["more"]) <= {private("ann", "bob"), private("ann", "cat")}

    def test_long_names_of_many_conversations_leave_room_in_the_frame(self, road: Road) -> None:
        ann = "a" * 64
        others = [f"{number:03}".rjust(64, "b") for number in range(150)]
        road.people(ann, *others)
        for other in others:
            road.run(*(send(other, private(ann, other), "x" * 16_300) for _ in range(2)))
        answer = road.call("sync", ann, cursors={})
        assert isinstance(answer.reply, bytes) and len(answer.reply) < MAX_SERVER_FRAME_BYTES
        assert reply(answer)["messages"] and len(reply(answer)["more"]) > 140

    def test_many_conversations_come_in_pages(self, road: Road) -> None:
        names = [f"u{number:03}" for number in range(160)]
        road.people(*names)
        road.run(*(send(name, private("ann", name)) for name in names))
        seen: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = _sync(road, "ann", **after)
            seen += [m["conversation"] for m in page["messages"]]
            if "next" not in page:
                break
            after = {"after": page["next"]}
        assert sorted(seen) == sorted(private("ann", name) for name in names)


@pytest.mark.parametrize("op", ["message.history", "message.read"])
@pytest.mark.parametrize("kind", ["p", "g", "s"])
def test_not_yours_and_not_there_are_the_same_bytes(road: Road, op: str, kind: str) -> None:
    group = road.group("bob", "cat")
    road.write("bob", private("bob", "cat"), 1)
    foreign = {"p": private("bob", "cat"), "g": f"g:{group}", "s": "s:bob"}[kind]
    missing = {"p": "p:nobody:none", "g": "g:nowhere", "s": "s:nobody"}[kind]
    more = {"seq": 1} if op == "message.read" else {}
    answers = [road.call(op, "ann", conversation=conversation, **more) for conversation in (foreign, missing)]
    assert code(answers[0]) == "not_found"
    assert isinstance(answers[0], Outcome)
    assert bytes(answers[0].answer(1).data) == bytes(answers[1].answer(1).data)
