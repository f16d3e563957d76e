"""Which groups each connected user is in: soft state of a gateway, loaded from the store and moved on by deltas. Pure.

Laws: a load says how things were when it was read, so every delta that came after the load was asked for wins over it,
by the higher seq. A leave is kept as a tombstone until a later load, so that an older join cannot undo it. Users who
are not known here get no group's frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

NO_MEMBERS: Mapping[str, int] = {}


class _Entry(NamedTuple):
    seq: int
    is_member: bool
    changed_at: int  # the load counter when a delta set it; 0 where a load did


class Membership:
    """Users of this gateway and their groups, and the other way round."""

    def __init__(self) -> None:
        self._users: dict[str, dict[str, _Entry]] = {}
        self._groups: dict[str, dict[str, int]] = {}
        self._loads = 0
        self._loaded: dict[str, int] = {}  # the newest load that each user has

    def __repr__(self) -> str:
        return f"Membership({len(self._users)} users, {len(self._groups)} groups)"

    def members(self, group: str) -> Mapping[str, int]:
        """The users of this gateway who are in `group`, with the seq of the event that put each in."""
        return self._groups.get(group, NO_MEMBERS)

    def groups(self) -> list[str]:
        """Every group that a user of this gateway is in."""
        return list(self._groups)

    def track(self, user: str) -> None:
        """From now on deltas of this user are kept."""
        self._users.setdefault(user, {})

    def begin_load(self) -> int:
        """The token of a load that is about to be asked for: deltas from now on win over it."""
        self._loads += 1
        return self._loads

    def load(self, user: str, groups: dict[str, int], token: int) -> None:
        """How things were when the load of `token` was read: {group: seq of the event that put the user in}."""
        entries = self._users.get(user)
        if entries is None or token < self._loaded.get(user, 0):
            # A later load knows at least as much, and the tombstones that held this load off may be gone.
            return
        self._loaded[user] = token
        for group in [g for g, entry in entries.items() if g not in groups and entry.changed_at < token]:
            self._drop(user, group)
            del entries[group]
        for group, seq in groups.items():
            known = entries.get(group)
            if known is None or known.seq < seq or (known.changed_at < token and not known.is_member):
                self._set(user, group, _Entry(seq, True, 0))

    def join(self, user: str, group: str, seq: int) -> bool:
        """A delta. True: the user is here, and was not in the group."""
        return self._change(user, group, seq, is_member=True)

    def leave(self, user: str, group: str, seq: int) -> bool:
        """A delta. True: the user is here, and was in the group."""
        return self._change(user, group, seq, is_member=False)

    def _change(self, user: str, group: str, seq: int, *, is_member: bool) -> bool:
        entries = self._users.get(user)
        if entries is None:
            return False
        known = entries.get(group)
        if known is not None and known.seq >= seq:
            return False
        self._set(user, group, _Entry(seq, is_member, self._loads))
        return is_member != (known is not None and known.is_member)

    def forget(self, user: str) -> list[str]:
        """The user has no connection here any more. Returns the groups that nobody here is in now."""
        entries = self._users.pop(user, {})
        self._loaded.pop(user, None)
        for group in entries:
            self._drop(user, group)
        return [group for group in entries if group not in self._groups]

    def _set(self, user: str, group: str, entry: _Entry) -> None:
        self._users[user][group] = entry
        if entry.is_member:
            self._groups.setdefault(group, {})[user] = entry.seq
        else:
            self._drop(user, group)

    def _drop(self, user: str, group: str) -> None:
        members = self._groups.get(group)
        if members is not None:
            members.pop(user, None)
            if not members:
                del self._groups[group]
