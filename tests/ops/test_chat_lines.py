"""What a person sees of messages."""

from __future__ import annotations

from typing import Any

import pytest
from hongyan.connection import Refused

from ops.chat.lines import content, line, printable, refusal


def message(type_: str, body: dict[str, Any], conversation: str = "p:alice:bob", sender: str = "bob") -> dict[str, Any]:
    return {"conversation": conversation, "seq": 1, "type": type_, "body": body, "sender": sender, "time": 0}


def test_a_message_cannot_steer_the_terminal() -> None:
    assert printable("\x1b[2Jgone\x07\u202e\n雁 🪿 👩\u200d👧") == "\ufffd[2Jgone\ufffd\ufffd\n雁 🪿 👩\u200d👧"
    assert "\x1b" not in content(message("notice", {"event": "joined", "users": ["\x1b[31m"]}))
    assert "\x1b" not in content(message("file", {"name": "\x1b[31m", "url": "u", "size": 1}))


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
