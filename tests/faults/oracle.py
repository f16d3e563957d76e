"""Judges a history: what was promised to clients against what the store holds and what every device saw. Pure.

Law: an empty answer means that the promises P1 to P5 and P12 of this history were kept; each broken one is a Violation
with a sentence that names the message. A rule never assumes that another rule held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from tests.faults.history import Acked, Applied, Began, Disturbed, History, Member, Received, Refused, Row, Sent, Synced

MAY_BE_STORED = frozenset({"timeout", "busy", "internal", "rate_limited", "conflict"})
"""Refusals that do not say that nothing was stored."""

E = TypeVar("E")

Write = tuple[str, str]
"""(sender, cid): what names a write for ever."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.sentence}"


def judge(history: History) -> list[Violation]:
    """All violations of all rules, in the order of the rules below."""
    return [
        *acknowledged_is_stored(history),
        *stored_once(history),
        *same_answer_to_every_retry(history),
        *refused_is_not_stored(history),
        *seqs_without_hole(history),
        *nothing_invented(history),
        *every_device_applied_its_timeline(history),
        *nothing_leaked(history),
        *senders_order(history),
        *no_needless_sync(history),
    ]


def acknowledged_is_stored(history: History) -> Iterator[Violation]:
    """P1: every acknowledged write is in the store, where the acknowledgement said."""
    places = _places(history)
    for ack in _of(history, Acked):
        stored = places[ack.sender, ack.cid]
        if not stored:
            yield Violation("lost", f"{_name(ack)} was acknowledged as {ack.conversation}/{ack.seq} but is not stored.")
        elif (ack.conversation, ack.seq) not in stored:
            where = ", ".join(f"{conversation}/{seq}" for conversation, seq in stored)
            yield Violation("wrong_seq", f"{_name(ack)} was acknowledged as {ack.conversation}/{ack.seq}, not {where}.")


def stored_once(history: History) -> Iterator[Violation]:
    """P2: a (sender, cid) is one message, however often it was sent."""
    for (sender, cid), stored in _places(history).items():
        if len(stored) > 1:
            yield Violation("stored_twice", f"{sender}'s {cid} is stored {len(stored)} times: {stored}.")


def same_answer_to_every_retry(history: History) -> Iterator[Violation]:
    """P2: all acknowledgements of a write say the same seq and time, and at most one of them says that it is new."""
    answers: defaultdict[Write, list[Acked]] = defaultdict(list)
    for ack in _of(history, Acked):
        answers[ack.sender, ack.cid].append(ack)
    for acks in answers.values():
        said = {(ack.conversation, ack.seq, ack.time) for ack in acks}
        if len(said) > 1:
            yield Violation("different_answers", f"{_name(acks[0])} was answered with {sorted(said)}.")
        if sum(not ack.duplicate for ack in acks) > 1:
            yield Violation("new_twice", f"{_name(acks[0])} was acknowledged as new more than once.")


def refused_is_not_stored(history: History) -> Iterator[Violation]:
    """What was sent once and finally refused has no effect."""
    places = _places(history)
    times_sent = Counter((sent.sender, sent.cid) for sent in _of(history, Sent))
    for refusal in _of(history, Refused):
        write = (refusal.sender, refusal.cid)
        if refusal.code not in MAY_BE_STORED and times_sent[write] == 1 and places[write]:
            yield Violation("refused_but_stored", f"{_name(refusal)} was refused ({refusal.code}) but is stored.")


def seqs_without_hole(history: History) -> Iterator[Violation]:
    """P3: the seqs of each conversation are exactly 1 to N."""
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for row in history.rows:
        seqs[row.conversation].append(row.seq)
    for conversation, given in seqs.items():
        for seq, times in Counter(given).items():
            if times > 1:
                yield Violation("seq_twice", f"{conversation}/{seq} names {times} messages.")
        holes = sorted(set(range(1, max(given) + 1)) - set(given))
        if holes:
            yield Violation("seq_hole", f"{conversation} ends at {max(given)} but lacks {holes[:10]}.")
        if min(given) < 1:
            yield Violation("seq_hole", f"{conversation} has the seq {min(given)}.")


def nothing_invented(history: History) -> Iterator[Violation]:
    """Every stored message was sent by its sender, to that conversation, with that body."""
    sent: defaultdict[Write, set[tuple[str, str]]] = defaultdict(set)
    for one in _of(history, Sent):
        sent[one.sender, one.cid].add((one.conversation, one.body_hash))
    for row in history.rows:
        if row.is_event:
            continue
        contents = sent[row.sender, row.cid]
        if row.conversation not in {conversation for conversation, _ in contents}:
            yield Violation("phantom", f"{row.sender}'s {row.cid} in {row.conversation}/{row.seq} was never sent.")
        elif (row.conversation, row.body_hash) not in contents:
            yield Violation("altered", f"{row.sender}'s {row.cid} is stored with another body than was sent.")


def every_device_applied_its_timeline(history: History) -> Iterator[Violation]:
    """P5: each device applied all that its user may read, once each, in order, as it is stored."""
    rows: defaultdict[str, dict[int, Row]] = defaultdict(dict)
    for row in history.rows:
        rows[row.conversation][row.seq] = row
    began: dict[tuple[str, str], int] = {(b.device, b.conversation): b.seq for b in _of(history, Began)}
    applied: defaultdict[tuple[str, str], list[Applied]] = defaultdict(list)
    for one in _of(history, Applied):
        applied[one.device, one.conversation].append(one)
    all_spans = _spans(history)
    for device, user in history.devices.items():
        for conversation, spans in all_spans[user].items():
            timeline = applied[device, conversation]
            start = began.get((device, conversation), 0)
            wanted = [seq for seq in rows[conversation] if seq > start and _covers(spans, seq)]
            yield from _compare(device, conversation, wanted, timeline, device in history.unfinished)
    for (device, conversation), timeline in applied.items():
        yield from _contents(device, rows[conversation], timeline)


def _compare(
    device: str, conversation: str, wanted: list[int], timeline: list[Applied], is_unfinished: bool
) -> Iterator[Violation]:
    seqs = [one.seq for one in timeline]
    twice = sorted(seq for seq, times in Counter(seqs).items() if times > 1)
    if twice:
        yield Violation("applied_twice", f"{device} applied {conversation}/{twice[:10]} more than once.")
    if any(later <= earlier for earlier, later in pairwise(seqs) if later not in twice):
        yield Violation("out_of_order", f"{device} did not apply {conversation} in ascending order.")
    newest = max(seqs, default=0)
    missed = sorted(set(wanted) - set(seqs))
    if is_unfinished:
        missed = [seq for seq in missed if seq < newest]
    if missed:
        yield Violation("missed", f"{device} never applied {conversation}/{missed[:10]} ({len(missed)} in all).")


def _contents(device: str, rows: dict[int, Row], timeline: list[Applied]) -> Iterator[Violation]:
    for one in timeline:
        row = rows.get(one.seq)
        where = f"{one.conversation}/{one.seq}"
        if row is None:
            yield Violation("phantom", f"{device} applied {where} ({one.cid}), which is not stored.")
        elif one.cid != row.cid:
            yield Violation("altered", f"{device} applied {one.cid} as {where}, which is {row.cid}.")
        elif one.body_hash != row.body_hash:
            yield Violation("altered", f"{device} applied {where} ({one.cid}) with another body than is stored.")


def nothing_leaked(history: History) -> Iterator[Violation]:
    """P12: nobody saw a message that they may not read."""
    spans = _spans(history)
    seen: list[Received | Applied] = [*_of(history, Received), *_of(history, Applied)]
    for one in seen:
        user = history.devices.get(one.device, "")
        if not _covers(spans[user][one.conversation], one.seq):
            who, verb = f"{one.device} of {user or 'nobody'}", type(one).__name__.lower()
            yield Violation("leaked", f"{who} {verb} {one.conversation}/{one.seq}, which that user may not read.")


def senders_order(history: History) -> Iterator[Violation]:
    """P4: a message follows all that its sender had an acknowledgement of, or that the sending device had applied,
    when it was sent; and on one connection those that went out once have the order in which they went out."""
    seqs = {(ack.sender, ack.cid): ack.seq for ack in _of(history, Acked)}
    known: defaultdict[tuple[str, str], int] = defaultdict(int)
    first_sent: set[Write] = set()
    for event in history.events:
        if isinstance(event, Acked):
            _raise(known, ("user " + event.sender, event.conversation), event.seq)
        elif isinstance(event, Applied):
            _raise(known, ("device " + event.device, event.conversation), event.seq)
        elif isinstance(event, Sent) and (event.sender, event.cid) not in first_sent:
            first_sent.add((event.sender, event.cid))
            seq = seqs.get((event.sender, event.cid))
            for who in ("user " + event.sender, "device " + event.device):
                before = known[who, event.conversation]
                if seq is not None and seq <= before:
                    yield Violation("order", f"{_name(event)} got {seq} though {who} had {before} before sending it.")
    yield from _connection_order(history, seqs)


def _connection_order(history: History, seqs: dict[Write, int]) -> Iterator[Violation]:
    times_sent = Counter((sent.sender, sent.cid) for sent in _of(history, Sent))
    newest: dict[tuple[str, str, str], tuple[int, str]] = {}
    for sent in _of(history, Sent):
        write = (sent.sender, sent.cid)
        if not sent.connection or times_sent[write] > 1 or write not in seqs:
            continue
        line = (sent.sender, sent.connection, sent.conversation)
        before, cid = newest.get(line, (0, ""))
        if seqs[write] < before:
            yield Violation("order", f"{_name(sent)} got {seqs[write]} though {cid} went out first and got {before}.")
        newest[line] = max((before, cid), (seqs[write], sent.cid))


def no_needless_sync(history: History) -> Iterator[Violation]:
    """A device syncs at most once for each login, reconnect, gap and resync."""
    reasons = Counter((one.device, one.reason) for one in _of(history, Disturbed))
    for (device, reason), times in Counter((one.device, one.reason) for one in _of(history, Synced)).items():
        if times > reasons[device, reason]:
            had = reasons[device, reason]
            yield Violation("needless_sync", f"{device} synced {times} times for {reason}, which happened {had} times.")


def _of(history: History, kind: type[E]) -> Iterator[E]:
    return (event for event in history.events if isinstance(event, kind))


def _places(history: History) -> defaultdict[Write, list[tuple[str, int]]]:
    places: defaultdict[Write, list[tuple[str, int]]] = defaultdict(list)
    for row in history.rows:
        places[row.sender, row.cid].append((row.conversation, row.seq))
    return places


def _spans(history: History) -> defaultdict[str, defaultdict[str, list[Member]]]:
    """By user and conversation, from where to where that user may read."""
    spans: defaultdict[str, defaultdict[str, list[Member]]] = defaultdict(lambda: defaultdict(list))
    for member in history.members:
        spans[member.user][member.conversation].append(member)
    return spans


def _covers(spans: list[Member], seq: int) -> bool:
    return any(span.from_seq <= seq and (span.to_seq is None or seq <= span.to_seq) for span in spans)


def _raise(known: defaultdict[tuple[str, str], int], key: tuple[str, str], seq: int) -> None:
    known[key] = max(known[key], seq)


def _name(event: Sent | Acked | Refused) -> str:
    return f"{event.sender}'s {event.cid}"
