"""The order in which a user sees its conversations: the most recently active first, a page at a time.

Laws: a page costs what it shows, and a look at each of the user's groups, whose number is bounded. Of other
conversations the hour of the last message is noted (cursors.py), and hours follow each other. Within an hour of a few
conversations the times of their last messages decide; where it has more, which only strangers bring about, the times
that were noted do. So of 50,000 that were active at once nobody has to look at more than a page shows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

from protocol import ids
from store.tables import cursors, groups, messages
from store.tables.cursors import HOUR_MS, Active
from store.transaction import Transaction

CROWD = 200
"""More conversations of one hour than this are not put into their exact order."""


class Place(NamedTuple):
    """Where a conversation stands: `time` (ms) is that of its last message, or, unless `is_exact`, the noted one."""

    time: int
    conversation: str
    is_exact: bool


class _Hour(NamedTuple):
    """All that was active last in one hour, behind the page before; `is_crowd`: in the order of what was noted."""

    entries: list[Active]
    is_crowd: bool


def page(tx: Transaction, user: str, after: Place | None, limit: int) -> list[Place]:
    """At most `limit` conversations in their order, from behind `after` on: the place of the last one of the page
    before, None for the first page. Groups that the user left are not among them."""
    hours = _hours(_entries(tx, user, after, limit), after, limit)
    times = _times(tx, itertools.chain.from_iterable(hour.entries for hour in hours if not hour.is_crowd))
    places: list[Place] = []
    for hour in hours:
        if hour.is_crowd:
            places += [Place(*entry, False) for entry in hour.entries]
            continue
        exact = sorted((-times.get(name, time), name) for time, name in hour.entries)
        if after is not None and after.is_exact:
            exact = [entry for entry in exact if entry > (-after.time, after.conversation)]
        places += [Place(-time, name, True) for time, name in exact]
    return places[:limit]


def _entries(tx: Transaction, user: str, after: Place | None, limit: int) -> list[Active]:
    """What stands behind `after`, or in its hour where that place is exact; the latest noted first. Enough for a page
    where all of the first hour was shown already, and the last hour is not complete."""
    before = None
    if after is not None:
        hour_end = (after.time // HOUR_MS + 1) * HOUR_MS
        before = Active(hour_end, "") if after.is_exact else Active(after.time, after.conversation)
    count = 2 * CROWD + limit
    noted = cursors.active(tx, user, 1, before, count)
    of_groups = _groups(tx, user)
    if before is not None:
        of_groups = [entry for entry in of_groups if entry < before]
    if len(noted) == count:
        of_groups = [entry for entry in of_groups if entry > noted[-1]]
    return sorted(noted + of_groups, reverse=True)


def _groups(tx: Transaction, user: str) -> list[Active]:
    names = [ids.group_conversation(group) for group in groups.groups_of(tx, [user])[user]]
    return [Active(tail.time, name) for name, tail in messages.tails(tx, names).items()]


def _hours(entries: list[Active], after: Place | None, limit: int) -> list[_Hour]:
    """The first hours of `entries`, as many as a page needs."""
    hours: list[_Hour] = []
    enough = 0
    for number, group in itertools.groupby(entries, key=lambda entry: entry.hour):
        among = list(group)
        is_begun = after is not None and after.time // HOUR_MS == number
        is_crowd = len(among) > CROWD or (after is not None and is_begun and not after.is_exact)
        hours.append(_Hour(among, is_crowd))
        enough += len(among) if is_crowd or not is_begun else 0  # of this one all may have been shown
        if enough >= limit:
            break
    return hours


def _times(tx: Transaction, entries: Iterable[Active]) -> dict[str, int]:
    """{conversation: time of its last message}; a group's is known."""
    names = [entry.conversation for entry in entries if not entry.conversation.startswith("g:")]
    return {name: tail.time for name, tail in messages.tails(tx, names).items()}
