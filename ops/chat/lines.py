"""What a person sees and types: lines of text for messages, refusals and the help. Pure."""

from __future__ import annotations

import re
import time
from typing import Any

from hongyan import Message, Refused

from protocol.ids import parse_conversation

HELP = """\
  text               send it to whom you talk to        发送给当前的对话
  /to USER           talk to a user                     与某人聊天
  /group ID          talk to a group                    在群里聊天
  /create NAME USER  make a group with these users      建群并邀请这些人
  /invite USER ...   invite users to this group         邀请加入当前群
  /groups            the groups that you are in         我的群
  /history [N]       the newest N messages of this one  最近 N 条消息
  /help  /quit       this; leave                        帮助；退出"""

# What a terminal might obey: control characters, all that breaks a line, marks and overrides of the direction in which
# is written, lone surrogates.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LINE_BREAK = "\N{RETURN SYMBOL}"
_PICTURES = 0x2400  # of the control characters, in their order

_EVENTS = ("notice", "recall")  # they say by themselves whose doing they are
_SHOWN = {
    "image": "[image 图片] {url}",
    "voice": "[voice 语音 {seconds} s] {url}",
    "video": "[video 视频] {url}",
    "file": "[file 文件] {name} {url}",
    "location": "[place 位置] {title} ({lat}, {lng})",
    "forward": "[forwarded 转发] {title}",
}


def printable(text: str) -> str:
    """`text` in one line, in which what others wrote steers nothing: no terminal is moved, no second line looks like
    somebody else's, nothing is written backwards. What might is seen in its place: a break as \u23ce, a control
    character as its picture, all else by its code."""
    return _STEERING.sub(_seen, text.replace("\r\n", "\n"))


def _seen(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] in "\n\r\x85\u2028\u2029":
        return _LINE_BREAK
    if code < 0x20:
        return chr(_PICTURES + code)
    return f"<U+{code:04X}>"


def place(conversation: str, me: str) -> str:
    """What a conversation is called where its messages are shown."""
    parsed = parse_conversation(conversation)
    if parsed is None or parsed.kind == "s":
        return "notices 通知"
    if parsed.kind == "g":
        return f"/group {parsed.group}"
    first, second = parsed.users
    return f"/to {second if first == me else first}"


def _event(body: dict[str, Any], sender: str) -> str:
    users = ", ".join(body.get("users", ()))
    match body.get("event"):
        case "created":
            return f"{sender} made the group {body.get('name', '')!r} 建群: {users}"
        case "joined":
            return f"joined 加入: {users}"
        case "left":
            return f"left 离开: {users}"
        case "removed":
            return f"removed 移出: {users}"
        case "friend_request":
            text = f": {body['text']}" if body.get("text") else ""
            return f"{body.get('user')} asks to be your friend 请求加好友{text}"
        case event:
            return f"{event}: {users}"


def content(message: Message) -> str:
    """What a message says, as its sender wrote it: for `printable`."""
    type_, body = message["type"], message["body"]
    if message.get("recalled"):
        return "[taken back 已撤回]"
    if type_ in ("text", "markdown"):
        return str(body.get("text", ""))
    if type_ == "notice":
        return "* " + _event(body, message["sender"])
    if type_ == "recall":
        return f"* {message['sender']} took a message back 撤回了一条消息"
    try:
        return _SHOWN[type_].format_map(body)
    except (KeyError, ValueError):
        return f"[{type_}]"


def line(message: Message, me: str) -> str:
    """`[21:03:15] bob: hello`, with the group where it is one."""
    at = time.strftime("%H:%M:%S", time.localtime(message["time"] / 1000))
    parsed = parse_conversation(message["conversation"])
    where = f"{parsed.group}/" if parsed is not None and parsed.kind == "g" else ""
    if parsed is not None and parsed.kind == "p" and message["sender"] == me:
        where = f"{place(message['conversation'], me).removeprefix('/to ')} < "
    said = content(message)
    return f"[{at}] {where}{said}" if message["type"] in _EVENTS else f"[{at}] {where}{message['sender']}: {said}"


def count(lines: int) -> str:
    """`1 line`, `2 lines`."""
    return f"{lines} line" if lines == 1 else f"{lines} lines"


def refusal(refused: Refused) -> str:
    """A refusal in words."""
    words = {
        "not_found": "there is nobody and nothing of that name for you 不存在或无权访问",
        "forbidden": "you may not do that 没有权限",
        "too_large": "that is too long 太长",
        "busy": "the system is busy, try again 系统忙",
        "timeout": "no answer in time 超时",
    }
    return f"! {words.get(refused.code, refused.code)} ({refused.error['message']})"
