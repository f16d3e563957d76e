"""Mutations of a frame's text: of the tree that its JSON means, and of its bytes. Pure: the same random numbers, the
same mutation."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

Tree = Any

MAX_BYTES = 80 * 1024  # more than a frame may be
HOLE = "\ue000hole\ue000"  # stands in a tree for bytes that no value is written as

ODD_VALUES: tuple[Tree, ...] = (
    *(None, True, False, -1, 0, 1, 1.5, -0.0, 1e300, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30),
    *("", " ", "0", "1", "~c", "x" * 65, "x" * 200, "\u202e", "e\u0301" * 100, "雁" * 40, "\u200b", "../../x", "%00"),
    *("' OR '1'='1", "p:a:b", "p:b:a", "p:a:a", "g:", "g:none", "s:x", "all", "_system", "<script>", "\r\nX: y"),
    *([], {}, [[]], {"$ne": None}, [None] * 3, {"": ""}, ["u"] * 501, {"op": "login"}),
)
ODD_BYTES = (
    *(b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"01", b"+1", b".5", b"0x1", b"True", b"'x'", b"", b"[1,]", b"/**/1"),
    *(b'"\\ud800"', b'"\\udc00x"', b'"\\ud83d\\ude00"', b'"a\\u0000"', b'"\\x"', b'"\x01"', b'"\n"', b'"\xff"'),
    *(b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'"\xf4\x90\x80\x80"', b'"\xe9"', b'"', b"}", b"]", b"\x00", b"\xef\xbb\xbf1"),
    *(b"[" * 15 + b"]" * 15, b"[" * 17 + b"]" * 17, b'{"a":' * 20 + b"1" + b"}" * 20, b"9" * 400, b"1." + b"1" * 400),
)
HUGE_BYTES = (
    *(b"[" * 40_000, b"[" * 30_000 + b"]" * 30_000, b'{"a":' * 9_000, b'"' + b'\\"' * 30_000, b"9" * 5_000),
    *(b"[" + b"0," * 20_000 + b"0]", b"{" + b'"k":1,' * 8_000 + b'"k":1}', b'"' + b"x" * 66_000 + b'"', b" " * 60_000),
)
P_HUGE = 0.01


def _places(tree: Tree) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        inside = list(at.items()) if isinstance(at, dict) else list(enumerate(at))
        found += [(at, key) for key, _ in inside]
        waiting += [value for _, value in inside if isinstance(value, dict | list)]
    return found


def _written(tree: Tree, rng: Random) -> bytes:
    return json.dumps(tree, ensure_ascii=rng.random() < 0.2).encode("utf-8", "surrogatepass")


def odd_bytes(rng: Random) -> bytes:
    """What stands where a value should."""
    return rng.choice(HUGE_BYTES if rng.random() < P_HUGE else ODD_BYTES)


def mutated_tree(tree: Tree, rng: Random) -> Tree:
    """One change to a frame that leaves it JSON."""
    changed = copy.deepcopy(tree)
    at, key = rng.choice(_places(changed))
    kind = rng.randrange(6)
    if kind <= 1:
        at[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif kind == 2:
        del at[key]
    elif kind == 3 and isinstance(at, dict):
        at[rng.choice((key + "x", key.upper(), "", "op", "id", "data", "cid"))] = at.pop(key)
    elif kind == 4:
        other, other_key = rng.choice(_places(changed))
        at[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(at[key])
    else:
        at[key] = [at[key]] * rng.randint(1, 3)
    return changed


def _with_hole(tree: Tree, rng: Random) -> bytes:
    """Bytes that are no value, or a value that hardly is one, in the place of a value."""
    changed = copy.deepcopy(tree)
    at, key = rng.choice(_places(changed))
    at[key] = HOLE
    return _written(changed, rng).replace(json.dumps(HOLE, ensure_ascii=False).encode(), odd_bytes(rng), 1)


def _cut(data: bytes, rng: Random) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.randint(1, 16))


def flipped(data: bytes, rng: Random) -> bytes:
    """One to four bits are different."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4) if data else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncated(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def repeated(data: bytes, rng: Random) -> bytes:
    """A piece of it comes twice, or many times."""
    begin, end = _cut(data, rng)
    return data[:end] + data[begin:end] * rng.choice((1, 1, 1, 2, 50)) + data[end:]


def without(data: bytes, rng: Random) -> bytes:
    begin, end = _cut(data, rng)
    return data[:begin] + data[end:]


def inserted(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + (odd_bytes(rng) if rng.random() < 0.5 else rng.randbytes(rng.randint(1, 4))) + data[at:]


BYTE_MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (flipped, truncated, repeated, without, inserted)


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    """One change to bytes, whatever they mean."""
    return rng.choice(BYTE_MUTATIONS)(data, rng)[:MAX_BYTES]


def json_text(tree: Tree, rng: Random) -> bytes:
    """A mutation that is still JSON; one in ten is no mutation at all, so that commands are also carried out."""
    return _written(tree if rng.random() < 0.1 else mutated_tree(tree, rng), rng)


def any_text(tree: Tree, other: Tree, rng: Random) -> bytes:
    """A mutation that need not be; `other` is a second frame, for splices."""
    kind = rng.random()
    if kind < 0.3:
        return _with_hole(tree, rng)[:MAX_BYTES]
    if kind < 0.4:
        one, two = _written(tree, rng), _written(other, rng)
        return one[: rng.randrange(len(one) + 1)] + two[rng.randrange(len(two) + 1) :]
    return mutated_bytes(_written(tree, rng), rng)
