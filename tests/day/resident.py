"""One resident of the town: comes and goes, writes to friends and groups, reads, makes groups and leaves them.

Laws: whatever a resident does beside sending is insisted on under its cid until there is a final answer. A resident who
goes away with messages unanswered sends them again when back. Nobody comes back into a group, and nobody leaves one of
which their device has not heard yet: a sync tells of neither, so no device could be asked for what was said there.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hongyan.connection import Lost, Refused

from protocol import ids
from tests.day.account import Account

if TYPE_CHECKING:
    from tests.day.town import Town

PATIENCE_S = 120.0  # for a login and a sync: longer than any trouble lasts
PAUSE_S = 0.5
UNANSWERED = 20  # with more than that a resident writes nothing, as people do
NEW_DEVICE = 0.02  # of all arrivals
STRANGER = 0.05  # of all private messages
FOUNDERS = (2, 15)  # so many are invited at once


@dataclass
class Circle:
    """A group as its people know it. `ever` were members at any time."""

    group: str
    owner: str
    members: set[str]
    ever: set[str] = field(default_factory=set)

    @property
    def conversation(self) -> str:
        return ids.group_conversation(self.group)


class Resident:
    """`friends` are users to whom it mostly writes; one with an `account` fetches a new token each time it comes."""

    def __init__(self, town: Town, user: str, token: str, account: Account | None = None) -> None:
        self.user = user
        self.friends: list[str] = []
        self.circles: list[Circle] = []
        self._town = town
        self._token = token
        self._account = account
        self._random = random.Random(f"{town.seed} {user}")
        self._cids = itertools.count(1)
        self._asked = {user}
        self._unanswered = 0
        self.client = town.client(user, token)
        self._acts: dict[Callable[[], Awaitable[None]], float] = {
            self._write_to_somebody: 60,
            self._write_to_a_group: 25,
            self._read: 10,
            self._ask_for_friendship: 2,
            self._found: 0.4,
            self._invite: 1,
            self._leave: 0.3,
            self._remove: 0.3,
        }

    def __repr__(self) -> str:
        return f"Resident({self.user}, {self._unanswered} unanswered, {self.client})"

    def knows(self, circle: Circle) -> bool:
        """Whether its device has heard of this group."""
        return self.client.last(circle.conversation) > 0

    async def live(self) -> None:
        """Come and go until the evening."""
        pace = self._town.pace
        await self._town.rest(self._random.random() * (pace.stay_s + pace.away_s))
        while not self._town.is_evening:
            await self.come()
            await self._stay(self._random.expovariate(1 / pace.stay_s))
            await self.client.stop()
            await self._town.rest(self._random.expovariate(1 / pace.away_s))

    async def come(self) -> None:
        """Connect and get in step: with a new token, or now and then with a new device."""
        if self._account is not None:
            self.client.use(await self._account.token())
        elif not self._unanswered and self._random.random() < NEW_DEVICE:
            self._town.retire(self.client)
            self.client = self._town.client(self.user, self._token)
        self.client.start()
        await self.client.in_step(PATIENCE_S)

    async def come_home(self) -> None:
        """Be there at the end of the day, whatever became of its life."""
        if not self.client.is_in_step:
            await self.client.stop()
            await self.come()

    async def _stay(self, seconds: float) -> None:
        """Do something now and then for so long; what was begun is finished."""
        ends = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < ends and not self._town.is_evening:
            await self._town.rest(self._random.expovariate(1 / self._town.pace.act_s))
            if self._unanswered < UNANSWERED:
                (act,) = self._random.choices(list(self._acts), list(self._acts.values()))
                await act()

    # --- what it does ---

    async def _write_to_somebody(self) -> None:
        strangers = self._random.random() < STRANGER
        peer = self._town.anybody(self._random) if strangers else self._random.choice(self.friends)
        if peer != self.user:
            self._send(ids.private_conversation(self.user, peer))

    async def _write_to_a_group(self) -> None:
        if self.circles:
            self._send(self._random.choice(self.circles).conversation)

    async def _read(self) -> None:
        names = self.client.conversations()
        if names:
            conversation = self._random.choice(names)
            if seq := self.client.last(conversation):
                await self._insist("message.read", {"conversation": conversation, "seq": seq}, conversation)

    async def _ask_for_friendship(self) -> None:
        peer = self._town.anybody(self._random)
        if peer not in self._asked:
            self._asked.add(peer)
            if await self._insist("friend.request", {"user": peer}) is not None:
                self._town.requests.append((self.user, peer))

    async def _found(self) -> None:
        wanted = {self._town.anybody(self._random) for _ in range(self._random.randint(*FOUNDERS))} - {self.user}
        data = {"name": f"of {self.user}", "members": sorted(wanted)}
        if (reply := await self._insist("group.create", data)) is not None:
            self._town.found(Circle(reply["group"]["id"], self.user, {self.user, *wanted}, {self.user, *wanted}))

    async def _invite(self) -> None:
        circle = self._own_circle()
        guest = self._town.anybody(self._random)
        if circle is not None and guest not in circle.ever:
            circle.ever.add(guest)
            if await self._insist("group.invite", {"group": circle.group, "users": [guest]}) is not None:
                self._town.enter(circle, guest)

    async def _leave(self) -> None:
        others = [circle for circle in self.circles if circle.owner != self.user and self.knows(circle)]
        if others:
            circle = self._random.choice(others)
            self._town.quit(circle, self.user)
            await self._insist("group.leave", {"group": circle.group}, circle.conversation)

    async def _remove(self) -> None:
        circle = self._own_circle()
        others = self._town.removable(circle) if circle is not None else []
        if circle is not None and others:
            user = self._random.choice(others)
            self._town.quit(circle, user)
            await self._insist("group.remove", {"group": circle.group, "users": [user]}, circle.conversation)

    def _own_circle(self) -> Circle | None:
        own = [circle for circle in self.circles if circle.owner == self.user]
        return self._random.choice(own) if own else None

    # --- how it does that ---

    def _send(self, conversation: str) -> None:
        self._unanswered += 1
        cid = f"{self._town.seed}-{next(self._cids)}"
        outcome = self.client.send(conversation, {"text": f"{self.user} says {cid}"}, cid=cid)
        outcome.add_done_callback(self._answered)
        self._town.sent(self.user, conversation, outcome)

    def _answered(self, _: asyncio.Future[dict[str, Any]]) -> None:
        self._unanswered -= 1

    async def _insist(self, op: str, data: dict[str, Any], conversation: str = "") -> dict[str, Any] | None:
        """Until there is a final answer; None where it was refused, which is told to the town."""
        data = {**data, "cid": f"{self._town.seed}-{next(self._cids)}"}
        while True:
            await self.client.in_step(PATIENCE_S)
            try:
                return await self.client.call(op, data)
            except Lost:
                pause = PAUSE_S
            except Refused as refused:
                if not refused.retry:
                    self._town.refused(self.user, conversation, f"{op}: {refused}")
                    return None
                pause = max(PAUSE_S, refused.error.get("retry_after", 0))
            await asyncio.sleep(pause)
