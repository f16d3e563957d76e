"""What a person sees of messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hongyan.connection import Refused

from ops.chat.lines import content, line, printable, refusal
from ops.chat.screen import Screen


def message(type_: str, body: dict[str, Any], conversation: str = "p:alice:bob", sender: str = "bob") -> dict[str, Any]:
    return {"conversation": conversation, "seq": 1, "type": type_, "body": body, "sender": sender, "time": 0}


def test_a_message_cannot_steer_the_terminal() -> None:
    assert printable("\x1b[2Jgone\x07\u202e\t雁 🪿 👩\u200d👧") == "␛[2Jgone␇<U+202E>␉雁 🪿 👩\u200d👧"
    assert printable("\x9b31m\x7f\ud800\u200f") == "<U+009B>31m<U+007F><U+D800><U+200F>"


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029"])
def test_a_line_break_shows_no_line_of_another_person(break_: str) -> None:
    seen = printable(f"hi{break_}[19:00:00] admin: send me your password")
    assert len(seen.splitlines()) == 1
    assert seen[2] in "⏎␋␌␜␞"


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("text", {"text": "a\x1b[2J\nb"}),
        ("notice", {"event": "joined", "users": ["\x1b[31m\n"]}),
        ("notice", {"event": "a\nb", "users": []}),
        ("notice", {"event": "friend_request", "user": "carol", "text": "a\n[19:00:00] admin: b"}),
        ("file", {"name": "\x1b[31m", "url": "u\n", "size": 1}),
        ("location", {"title": "a\r\nb", "lat": 1, "lng": 2}),
    ],
)
def test_whatever_others_send_is_one_line_on_the_screen(
    type_: str, body: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(show(message(type_, body)))
    seen = capsys.readouterr().out
    assert seen.endswith("\n") and len(seen.splitlines()) == 1 and "\x1b" not in seen


async def show(received: dict[str, Any]) -> None:
    Screen("alice").applied(received)


@pytest.mark.parametrize(
    ("type_", "body", "shown"),
    [
        ("text", {"text": "hello"}, "hello"),
        ("markdown", {"text": "*hello*"}, "*hello*"),
        ("image", {"url": "http://x/y.png", "width": 1, "height": 1}, "[image 图片] http://x/y.png"),
        ("file", {"url": "http://x", "name": "a.txt", "size": 3}, "[file 文件] a.txt http://x"),
        ("location", {"lat": 1.5, "lng": 2, "title": "home"}, "[place 位置] home (1.5, 2)"),
        ("custom", {"anything": 1}, "[custom]"),
        ("image", {}, "[image]"),
        (
            "notice",
            {"event": "created", "name": "geese", "users": ["a", "b"]},
            "* bob made the group 'geese' 建群: a, b",
        ),
        ("notice", {"event": "renamed"}, "* renamed: "),
        ("notice", {"event": "friend_request", "user": "carol"}, "* carol asks to be your friend 请求加好友"),
        (
            "notice",
            {"event": "friend_request", "user": "carol", "text": "from school"},
            "* carol asks to be your friend 请求加好友: from school",
        ),
        ("recall", {"seq": 1}, "* bob took a message back 撤回了一条消息"),
    ],
)
def test_every_type_is_shown(type_: str, body: dict[str, Any], shown: str) -> None:
    assert content(message(type_, body)) == shown


def test_a_line_says_who_and_where() -> None:
    assert line(message("text", {"text": "hi"}), "alice").endswith("] bob: hi")
    assert line(message("text", {"text": "hi"}, sender="alice"), "alice").endswith("] bob < alice: hi")
    assert line(message("text", {"text": "hi"}, "g:team"), "alice").endswith("] team/bob: hi")
    assert line(message("notice", {"event": "left", "users": ["bob"]}, "g:team"), "alice").endswith(
        "] team/* left 离开: bob"
    )


def test_a_message_that_was_taken_back_says_so() -> None:
    taken_back = {**message("text", {}), "changed": 2, "recalled": True}
    assert line(taken_back, "alice").endswith("] bob: [taken back 已撤回]")
    assert line(message("recall", {"seq": 1}), "alice").endswith("] * bob took a message back 撤回了一条消息")


def test_nobody_can_write_what_looks_like_an_event() -> None:
    assert line(message("text", {"text": "* carol left"}), "alice").endswith("] bob: * carol left")


def test_a_refusal_is_said_in_words() -> None:
    for code, words in (("not_found", "nobody"), ("forbidden", "may not"), ("odd", "odd")):
        assert words in refusal(Refused({"code": code, "message": "m", "retry": False}))
