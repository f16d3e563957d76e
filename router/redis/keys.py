"""Every key of Redis, and its time to live beside it.

Laws: every key begins with the deployment's prefix, so that several share one Redis and none sees another. The name
under which an address is held (`hongyan:user:alice`, `hongyan:group:team`) is itself the key of what it names. Routes
have no time to live: an idle connection costs Redis nothing, and what a dead gateway left is swept by the others.
"""

from __future__ import annotations

from collections.abc import Iterable

WORKER_MS = 10_000


class Keys:
    """The keys of one deployment; `prefix` is a word without a colon (router.prefix of the settings).

    Where Lua makes keys itself it is given the prefix: lua.py, nginx/lua/leases.lua. Those that no other place needs
    are `{prefix}:workers`, the set of the names of ordered workers, and `{prefix}:worker:{name}`, which tells for
    WORKER_MS that one of them lives: its epoch.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._user, self._at, self._group = f"{prefix}:user:", f"{prefix}:at:", f"{prefix}:group:"

    def __repr__(self) -> str:
        return f"Keys({self.prefix})"

    def gateways(self) -> str:
        """Set of the addresses ever announced and not yet swept."""
        return f"{self.prefix}:gateways"

    def gateway(self, gateway_id: str) -> str:
        """The lease of a gateway, JSON, for LEASE_S (router/interface.py). nginx reads it too."""
        return f"{self.prefix}:gateway:{gateway_id}"

    def user(self, user_id: str) -> str:
        """Hash of a user's connections: `{address}#{connection}` to what is known of it, JSON."""
        return self._user + user_id

    def user_of(self, key: str) -> str:
        """Whose key of `user` it is."""
        return key.removeprefix(self._user)

    def at(self, user_id: str) -> str:
        """The addresses that hold a user, separated by spaces; kept in step with `user`."""
        return self._at + user_id

    def group(self, group_id: str) -> str:
        """The addresses that hold a connected member of a group, separated by spaces."""
        return self._group + group_id

    def holders(self, users: Iterable[str], groups: Iterable[str]) -> list[str]:
        """`at` of each user, then `group` of each group: what a worker asks for with every batch."""
        at, group = self._at, self._group
        return [at + user for user in users] + [group + name for name in groups]

    def held(self, address: str) -> str:
        """Set of the keys `user` and `group` that an address holds: how its entries are found when it is dead."""
        return f"{self.prefix}:held:{address}"


def connection_field(address: str, connection: int) -> str:
    """The field of one connection in `Keys.user`."""
    return f"{address}#{connection}"
