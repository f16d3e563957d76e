"""The short form of scripts/day.sh: a small town, three troubles."""

from __future__ import annotations

import secrets

import pytest

from tests.day.day import Day
from tests.day.town import Pace
from tests.day.troubles import TROUBLES
from tests.faults.cluster import FaultCluster

pytestmark = pytest.mark.timeout(240)

PACE = Pace(residents=60, stay_s=15.0, away_s=8.0, acts_per_s=40.0)
SHORT = ("kill -9 of w1", "kill -9 of g1", "what waits for g2 is dropped")


async def test_a_town_lives_through_three_troubles(cluster: FaultCluster, doors: None) -> None:
    """People come, go, write, make groups and leave them meanwhile; nothing is lost, doubled, reordered or leaked."""
    troubles = tuple(trouble for trouble in TROUBLES if trouble.name in SHORT)
    report = await Day(cluster, PACE, len(SHORT), f"d{secrets.randbits(20):x}", troubles=troubles, every_s=10.0).run()
    assert not report.findings, "\n".join(report.findings[:20])
    assert report.done["acknowledged"] > 500
