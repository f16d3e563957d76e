"""The town: its residents and groups, what was refused that should not have been, and the verdict in the evening."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from hongyan.state import Message

from ops.seed import seed_users
from protocol.clock import now_ms
from protocol.ids import partition_of
from tests.client import Client, Recorder, body_hash
from tests.day.account import Account
from tests.day.resident import Circle, Resident
from tests.faults.cluster import FaultCluster
from tests.faults.fleet import behind
from tests.faults.history import Applied, Began, Event, History
from tests.faults.ledger import Ledger, Notice
from tests.faults.oracle import judge

FRIENDS = 8
ACCOUNTS = 0.05  # of all residents have a password; the others a token for the whole day
WAYS = ("ws", "ws", "tcp", "poll")  # in turn
AT_ONCE = 20
POLL_S = 0.05
LOOK_S = 2.0  # a look at all that is stored


@dataclass(frozen=True, slots=True)
class Pace:
    """How many residents; how long they stay and are away, on average; what all who are there do a second."""

    residents: int = 2_000
    stay_s: float = 180.0
    away_s: float = 240.0
    acts_per_s: float = 100.0

    @property
    def there(self) -> float:
        """How many residents are there at a time."""
        return self.residents * self.stay_s / (self.stay_s + self.away_s)

    @property
    def act_s(self) -> float:
        """How long one who is there waits from one thing to the next, on average."""
        return self.there / self.acts_per_s


class Memory(Recorder):
    """Keeps no message: a day has millions."""

    def applied(self, message: Message) -> None:
        place = (message["conversation"], message["seq"], message["cid"])
        self._record(Applied(self.device, *place, body_hash(message["body"])))


class Town:
    """`seed` makes a day that can be repeated, as far as a busy machine allows."""

    def __init__(self, cluster: FaultCluster, pace: Pace, seed: str) -> None:
        self.pace, self.seed = pace, seed
        self.residents: list[Resident] = []
        self.circles: dict[str, Circle] = {}
        self.requests: list[tuple[str, str]] = []
        self.findings: list[str] = []
        self.done: Counter[str] = Counter()
        self._cluster = cluster
        self._ledger = Ledger.since(cluster.database, now_ms())
        self._ways = itertools.cycle([cluster.through_door.urls(door) for door in WAYS])
        self._evening = asyncio.Event()
        self._events: list[Event] = []
        self._of: dict[str, Resident] = {}
        self._devices: dict[str, str] = {}  # whose each is
        self._retired: set[str] = set()
        self._former: defaultdict[str, list[Circle]] = defaultdict(list)
        self._untold: set[tuple[str, str]] = set()
        self._unanswered = 0
        self._acknowledged: defaultdict[int, float] = defaultdict(float)  # by partition, when the newest was sent
        self._lives: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        done = self.done["acknowledged"]
        return f"{self.there} of {len(self.residents)} there, {done} acknowledged, {self._unanswered} unanswered"

    async def open(self) -> None:
        """Everybody is registered, has friends, and begins to live."""
        with_password = int(self.pace.residents * ACCOUNTS)
        for number in range(with_password):
            account = Account(self._cluster.through_door.ports[0], f"{self.seed}-{number}")
            token = await account.register()
            self.residents.append(Resident(self, account.user, token, account))
        names = [f"{self.seed}-r{number}" for number in range(self.pace.residents - with_password)]
        tokens = await asyncio.to_thread(seed_users, self._cluster.settings, self._cluster.database, names)
        self.residents += [Resident(self, user, token) for user, token in tokens.items()]
        chance = random.Random(self.seed)
        chance.shuffle(self.residents)
        everyone = [resident.user for resident in self.residents] * 2
        for number, resident in enumerate(self.residents):
            resident.friends = everyone[number + 1 : number + 1 + FRIENDS]
        self._of = {resident.user: resident for resident in self.residents}
        self._lives = [asyncio.create_task(self._noted(resident, resident.live())) for resident in self.residents]

    # --- what residents need ---

    @property
    def is_evening(self) -> bool:
        return self._evening.is_set()

    async def rest(self, seconds: float) -> None:
        """For so long, or until the evening."""
        if not self.is_evening:
            try:
                async with asyncio.timeout(seconds):
                    await self._evening.wait()
            except TimeoutError:
                pass

    def client(self, user: str, token: str) -> Client:
        """A new device, by one of the ways. It is never told of groups that its user has left before."""
        made = Client(next(self._ways), user, token, self._events, recorder=Memory)
        self._untold |= {(made.device, circle.conversation) for circle in self._former[user]}
        self._devices[made.device] = user
        return made

    def retire(self, client: Client) -> None:
        """A device that will not come back."""
        self._retired.add(client.device)

    def anybody(self, chance: random.Random) -> str:
        return chance.choice(self.residents).user

    def found(self, circle: Circle) -> None:
        self.circles[circle.conversation] = circle
        for user in list(circle.members):
            self.enter(circle, user)

    def enter(self, circle: Circle, user: str) -> None:
        circle.members.add(user)
        self._of[user].circles.append(circle)

    def quit(self, circle: Circle, user: str) -> None:
        circle.members.discard(user)
        self._of[user].circles.remove(circle)
        self._former[user].append(circle)

    def removable(self, circle: Circle) -> list[str]:
        """Who may be put out of it."""
        return sorted(u for u in circle.members if u != circle.owner and self._of[u].knows(circle))

    def sent(self, user: str, conversation: str, outcome: asyncio.Future[dict[str, Any]]) -> None:
        """A message is on its way."""
        self._unanswered += 1
        outcome.add_done_callback(partial(self._ended, user, conversation, time.monotonic()))

    def refused(self, user: str, conversation: str, why: str) -> None:
        """A final refusal: right for one who is no member any more, and a finding otherwise."""
        circle = self.circles.get(conversation)
        if "not_found" not in why or circle is None or user in circle.members:
            self.findings.append(f"{user} in {conversation or '-'} was refused: {why}")

    # --- what the day needs ---

    @property
    def there(self) -> int:
        """How many residents are in step."""
        return sum(resident.client.is_in_step for resident in self.residents)

    async def recovered(self, since: float, within_s: float) -> float:
        """Until every partition has acknowledged something that was sent after `since`; how long after it."""
        partitions = range(self._cluster.settings.partitions)
        while any(self._acknowledged[partition] < since for partition in partitions):
            if time.monotonic() - since > within_s:
                behind_ = [partition for partition in partitions if self._acknowledged[partition] < since]
                self.findings.append(f"partitions {behind_} acknowledged nothing within {within_s:.0f} s")
                break
            await asyncio.sleep(POLL_S)
        return time.monotonic() - since

    async def evening(self, within_s: float) -> None:
        """Everybody finishes what they are at, comes home, and has everything."""
        self._evening.set()
        await asyncio.gather(*self._lives)
        for first in range(0, len(self.residents), AT_ONCE):
            await asyncio.gather(*(self._noted(r, r.come_home()) for r in self.residents[first : first + AT_ONCE]))
        async with asyncio.timeout(within_s):
            while self._unanswered:
                await asyncio.sleep(POLL_S)
        until = time.monotonic() + within_s
        while lacking := await self._lacking():
            if time.monotonic() > until:
                self.findings += [f"behind after {within_s:.0f} s: {line}" for line in lacking[:20]]
                break
            await asyncio.sleep(LOOK_S)

    async def verdict(self) -> list[str]:
        """What was promised and not kept, in sentences."""
        ends = await asyncio.to_thread(self._ledger.ends)
        rows, members = await asyncio.to_thread(self._ledger.rows), await asyncio.to_thread(self._ledger.members, ends)
        self.done["stored"] = len(rows)
        began = [Began(device, conversation, ends.get(conversation, 0)) for device, conversation in self._untold]
        history = History([*self._events, *began], rows, members, self._devices, frozenset(self._retired))
        violations = await asyncio.to_thread(judge, history)
        wrong = _notices_missed(self.requests, await asyncio.to_thread(self._ledger.notices))
        return [*self.findings, *map(str, violations), *wrong]

    async def close(self) -> None:
        """Everybody goes offline."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        await asyncio.gather(*(resident.client.stop() for resident in self.residents))

    async def _lacking(self) -> list[str]:
        ends = await asyncio.to_thread(self._ledger.ends)
        members = await asyncio.to_thread(self._ledger.members, ends)
        clients = {resident.user: [resident.client] for resident in self.residents}
        told = (span for span in members if (self._of[span.user].client.device, span.conversation) not in self._untold)
        return list(itertools.islice(behind(clients, ends, told), 100))

    async def _noted(self, resident: Resident, life: Awaitable[None]) -> None:
        """Live; what goes wrong with it is a finding."""
        try:
            await life
        except AssertionError as error:
            self.findings.append(f"{resident.user}: {error}")

    def _ended(self, user: str, conversation: str, sent_at: float, outcome: asyncio.Future[dict[str, Any]]) -> None:
        self._unanswered -= 1
        if outcome.cancelled():
            return
        if (error := outcome.exception()) is not None:
            self.refused(user, conversation, f"message.send: {error}")
            return
        self.done["acknowledged"] += 1
        partition = partition_of(conversation, self._cluster.settings.partitions)
        self._acknowledged[partition] = max(self._acknowledged[partition], sent_at)


def _notices_missed(requests: Iterable[tuple[str, str]], notices: Iterable[Notice]) -> Iterator[str]:
    """Of each acknowledged friend.request its user has exactly one notice."""
    told = Counter((n.body["user"], n.user) for n in notices if n.body["event"] == "friend_request")
    for user, peer in requests:
        if told[user, peer] != 1:
            yield f"notices: {peer} was told {told[user, peer]} times that {user} asks for friendship."
