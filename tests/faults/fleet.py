"""The people of one fault test: users with clients on both gateways, in pairs and groups, under load; the verdict."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ops.seed import seed_group, seed_users
from protocol import ids
from tests.client import Client
from tests.faults.cluster import FaultCluster
from tests.faults.figures import note
from tests.faults.history import Event, History, Member
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.oracle import judge

ANSWERED_S = 30.0
CAUGHT_UP_S = 10.0
POLL_S = 0.1
AT_ONCE = 50  # so many connect together


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are and how much they write. The last `late` clients stay away until they are called."""

    users: int = 36
    groups: int = 4
    members: int = 9
    with_two_devices: int = 4
    late: int = 0
    per_s: int = 200


class Fleet:
    """Users `{prefix}u000` ..., groups `{prefix}g0` ...; each member is in one group.

    `ways` are lists of addresses, given to the clients in turn: a client that loses its connection goes on to the next
    address of its list. Without them even users are on g1 first, odd ones on g2.
    """

    def __init__(
        self, cluster: FaultCluster, prefix: str, size: Size | None = None, ways: Sequence[Sequence[str]] = ()
    ) -> None:
        self._cluster = cluster
        self._prefix = prefix
        self._size = size = size or Size()
        urls = cluster.deployment.gateway_urls
        self._ways = ways or [urls, urls[::-1]]
        self.users = [f"{prefix}u{number:03}" for number in range(size.users)]
        self.groups = {
            f"{prefix}g{number}": self.users[number * size.members : (number + 1) * size.members]
            for number in range(size.groups)
        }
        self.events: list[Event] = []
        self.clients: list[Client] = []
        self.load = Load([], prefix)
        self._ledger = Ledger.of_prefix(cluster.database, prefix)

    def __repr__(self) -> str:
        return f"Fleet({self._prefix}, {len(self.clients)} clients, {len(self.events)} events, {self.load})"

    async def start(self) -> None:
        """Seed, connect, sync, and begin the load."""
        await asyncio.to_thread(self._seed)
        present = self.clients[: len(self.clients) - self._size.late]
        # Doors take turns, too, and so do gateways: in turn, all clients by one door would be on one gateway.
        coming = random.Random(self._prefix).sample(present, len(present))
        for first in range(0, len(present), AT_ONCE):
            await asyncio.gather(*(client.arrive() for client in coming[first : first + AT_ONCE]))
        self._cluster.faults_of_ours()  # what the test before left
        writers = [(c, self._private(c.seen.user), self._group_names(c.seen.user)) for c in present]
        self.load = Load(writers, "1", self._size.per_s)
        self.load.start()
        async with asyncio.timeout(ANSWERED_S):
            await self.load.goes_on(200)

    async def stop(self) -> None:
        await self.load.stop()
        await asyncio.gather(*(client.stop() for client in self.clients))

    @property
    def late(self) -> list[Client]:
        """Clients who were not there from the beginning; they write nothing."""
        return self.clients[len(self.clients) - self._size.late :]

    def of(self, user: str) -> Client:
        """A client of this user."""
        return next(client for client in self.clients if client.seen.user == user)

    def gateway_of(self, client: Client) -> str:
        """Where the client connects first."""
        return "g1" if self.clients.index(client) % 2 == 0 else "g2"

    def member_of(self, conversation: str) -> Client:
        """A client of somebody who may write to the conversation."""
        return next(c for c in self.clients if conversation in self._where(c.seen.user))

    def pair_across(self, one: str, other: str) -> tuple[Client, Client]:
        """Two who write to each other privately, the first on one gateway, the second on the other."""
        first = next(c for c in self.clients[self._size.with_two_devices :] if self.gateway_of(c) == one)
        number = self.users.index(first.seen.user)
        second = self.of(self.users[number + 1])
        assert self.gateway_of(second) == other
        return first, second

    def whereabouts(self, address: dict[str, str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """At which addresses each user and each group must be registered, as long as nobody had to reconnect."""
        users: defaultdict[str, set[str]] = defaultdict(set)
        for client in self.clients:
            assert client.seen.logins == 1
            users[client.seen.user].add(address[self.gateway_of(client)])
        groups = {group: set.union(*(users[user] for user in members)) for group, members in self.groups.items()}
        return dict(users), groups

    def silence(self, user: str) -> None:
        """This user writes nothing more."""
        self.load.silence(user)

    def conversations(self) -> list[str]:
        """Every conversation in which the load writes."""
        return sorted({name for user in self.users for name in self._where(user)})

    async def in_step_again(self, clients: Sequence[Client], since: float, within_s: float) -> float:
        """Until each of these has logged in once more and synced; how long after `since`."""
        for client in clients:
            await client.until(partial(_has_come_back, client), within_s)
            await client.in_step(within_s)
        return time.monotonic() - since

    async def recovered(self, what: str, since: float, limit_s: float) -> None:
        """Every partition acknowledges what was sent after `since`, within `limit_s`."""
        note(what, await self.load.recovered(since, self._cluster.partition, 2 * limit_s), limit_s)

    async def verdict(self, what: str) -> None:
        """Stop the load, wait until all is answered and everyone has everything, and let the oracle judge."""
        await self.load.stop()
        await self.load.answered(ANSWERED_S)
        note(f"{what}: caught up after the last answer", await self.caught_up(2 * CAUGHT_UP_S), CAUGHT_UP_S)
        refused = self.load.refused()
        assert not refused, f"{len(refused)} refused: {refused[:3]}"
        violations = judge(await asyncio.to_thread(self._history))
        assert not violations, "\n".join(map(str, violations[:20]))
        logged = self._cluster.faults_of_ours()
        assert not logged, "\n".join(logged[:20])

    async def caught_up(self, within_s: float) -> float:
        """Until every client has applied all that its user may read; the seconds that it took."""
        began = time.monotonic()
        while behind := self._behind(*await asyncio.to_thread(self._ends)):
            waited = time.monotonic() - began
            assert waited < within_s, f"{len(behind)} are behind after {within_s} s, such as {behind[:3]}"
            await asyncio.sleep(POLL_S)
        return time.monotonic() - began

    def _seed(self) -> None:
        database, settings = self._cluster.database, self._cluster.settings
        tokens = seed_users(settings, database, self.users)
        for group, members in self.groups.items():
            seed_group(database, group, members)
        others = seed_users(settings, database, self.users[: self._size.with_two_devices])
        wanted = [*tokens.items(), *list(others.items())[::-1]]  # the other way round: on the other gateway
        for number, (user, token) in enumerate(wanted):
            way = self._ways[number % len(self._ways)]
            terminal = "web" if number < len(tokens) else "pc"
            self.clients.append(Client(way, user, token, self.events, terminal))

    def _private(self, user: str) -> list[str]:
        number = self.users.index(user)
        everyone = len(self.users)
        peers = {self.users[(number + step) % everyone] for step in (1, -1, everyone // 2)}
        return sorted(ids.private_conversation(user, peer) for peer in peers)

    def _where(self, user: str) -> list[str]:
        return self._private(user) + self._group_names(user)

    def _group_names(self, user: str) -> list[str]:
        return [ids.group_conversation(group) for group, members in self.groups.items() if user in members]

    def _ends(self) -> tuple[dict[str, int], list[Member]]:
        """The newest seq of each conversation, and who may read which."""
        ends = self._ledger.ends()
        return ends, self._ledger.members(ends)

    def _behind(self, ends: dict[str, int], members: Iterable[Member]) -> list[str]:
        clients: defaultdict[str, list[Client]] = defaultdict(list)
        for client in self.clients:
            clients[client.seen.user].append(client)
        return list(itertools.islice(behind(clients, ends, members), 20))

    def _history(self) -> History:
        _, members = self._ends()
        devices = {client.device: client.seen.user for client in self.clients}
        return History(list(self.events), self._ledger.rows(), members, devices)


def behind(clients: Mapping[str, Sequence[Client]], ends: dict[str, int], members: Iterable[Member]) -> Iterator[str]:
    """What the clients of each user lack of what that user may read."""
    for span in members:
        newest = ends.get(span.conversation, 0) if span.to_seq is None else span.to_seq
        for client in clients.get(span.user, ()):
            if (last := client.last(span.conversation)) < newest:
                yield f"{client.device} has {span.conversation}/{last} of {newest}"


def _has_come_back(client: Client) -> bool:
    return client.seen.logins > 1
