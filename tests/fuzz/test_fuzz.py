"""A short attack over every door on a system that runs; scripts/fuzz.sh makes long ones, with seeds of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.frames import MAX_SERVER_FRAME_BYTES
from tests.fuzz.attacks import DOORS
from tests.fuzz.campaign import Campaign

SEED = 1
FRAMES = 2000


@pytest.mark.slow
async def test_mutated_frames_harm_nobody(tmp_path: Path) -> None:
    outcome = await Campaign(tmp_path, SEED, FRAMES, rounds=1).run()
    assert outcome.findings == []
    assert outcome.read >= FRAMES
    assert set(outcome.sent) == set(DOORS)
    assert {"bad_frame", "bad_field", "unknown_op", "too_large"} <= set(outcome.codes)
    assert {"1002", "1007", "1009", "4002"} <= set(outcome.closes)
    before, after = outcome.rests[0], outcome.rests[-1]
    assert (after.connections, after.pending) == (0, 0)
    assert after.files <= before.files + 24  # the pools of the store's connections
    assert len(outcome.latencies_ms) >= len(DOORS)
    assert outcome.largest <= MAX_SERVER_FRAME_BYTES
