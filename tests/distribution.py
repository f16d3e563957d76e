"""Which process of a run with several gets which tests, and in which order: the longest share first.

Laws: what many tests use is started once, so a file stays in one process, and in tests/e2e all that run over the same
deployment. Whoever is free takes the next share, so that short ones are left for the end and all end together.
"""

from __future__ import annotations

from collections import Counter

import pytest
from xdist.scheduler import LoadScopeScheduling

# How long a test takes, roughly and compared with others.
USUAL, WITH_SERVERS, SLOW = 1, 2, 50


class Shares(LoadScopeScheduling):
    """Hands out shares of tests.

    `--dist loadgroup` would be the plugin's own way, but it marks tests by an attribute that pytest 9.2 does not read:
    without a word each test goes to whichever process is free, and everything is started twice.
    """

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)


def share(nodeid: str) -> str:
    """The share to which a test belongs: `tests/store/test_groups.py::test_one` is of its file."""
    path, _, test = nodeid.partition("::")
    if not path.startswith("tests/e2e/"):
        return path
    return "tests/e2e, standalone" if "[standalone" in test else "tests/e2e, cluster"


def longest_first(items: list[pytest.Item]) -> None:
    """Order tests by their shares. Within a share they stay as they are."""
    weights: Counter[str] = Counter()
    for item in items:
        weights[share(item.nodeid)] += _weight(item)
    items.sort(key=lambda item: (-weights[share(item.nodeid)], share(item.nodeid)))


def _weight(item: pytest.Item) -> int:
    if item.get_closest_marker("slow"):
        return SLOW
    return WITH_SERVERS if item.get_closest_marker("servers") else USUAL
