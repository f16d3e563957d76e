"""What waits for its turn, shared fairly: by address first, and within an address by account. Pure.

Laws: addresses take turns, however much each of them asks for; so do the accounts of an address. Where there is no room
the one who has most waiting loses what came last: who asks for much never displaces who asks for little.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


Share = tuple[str, str]
"""Whose turn an item takes: (address, account), whatever names them."""

NOBODYS: Share = ("", "")


class FairLine(Generic[Item]):
    """Not for several threads at once."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, OrderedDict[str, deque[Item]]] = OrderedDict()

    def __repr__(self) -> str:
        return f"FairLine({len(self)} wait, of {len(self._addresses)} addresses)"

    def __len__(self) -> int:
        return sum(map(_size, self._addresses.values()))

    def put(self, item: Item, share: Share) -> None:
        address, account = share
        self._addresses.setdefault(address, OrderedDict()).setdefault(account, deque()).append(item)

    def take(self) -> Item:
        """The item whose turn it is. Raises StopIteration where nothing waits."""
        address, accounts = next(iter(self._addresses.items()))
        account, items = next(iter(accounts.items()))
        item = items.popleft()
        accounts.move_to_end(account)
        self._addresses.move_to_end(address)
        self._forget_empty(address, account)
        return item

    def displace(self, newcomer: Share) -> Item:
        """Take out what has no room after something of `newcomer` was put: the last of the account with most waiting,
        of the address with most waiting; of equals the newcomer's. Raises ValueError where nothing waits."""
        address = max(self._addresses, key=lambda a: (_size(self._addresses[a]), a == newcomer[0]))
        accounts = self._addresses[address]
        account = max(accounts, key=lambda a: (len(accounts[a]), a == newcomer[1]))
        item = accounts[account].pop()
        self._forget_empty(address, account)
        return item

    def _forget_empty(self, address: str, account: str) -> None:
        accounts = self._addresses[address]
        if not accounts[account]:
            del accounts[account]
        if not accounts:
            del self._addresses[address]


def _size(accounts: OrderedDict[str, deque[Item]]) -> int:
    return sum(map(len, accounts.values()))
