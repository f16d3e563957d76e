"""The loads of the storm and of slow consumers against a system that runs: what they count is what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from bench.load_process import LoadProcess
from bench.loads.crowd import CrowdJob
from bench.loads.pairs import PairsJob
from bench.loads.slow import SlowJob
from bench.loads.steady import SteadyJob
from bench.loads.storm import StormJob
from ops.seed import seed, seed_groups
from tests.deployments import Deployment, StandaloneDeployment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with StandaloneDeployment(tmp_path_factory.mktemp("crowds")).running() as made:
        yield made


def _storm(deployment: Deployment, prefix: str, **changes: Any) -> StormJob:
    users = list(seed(deployment.settings, 12, 0, 0, prefix).users.items())
    groups = [(f"{prefix}g{number}", users[number::3]) for number in range(3)]
    seed_groups(deployment.settings, {group: [user for user, _ in members] for group, members in groups})
    job = StormJob(deployment.gateway_urls, groups, f"{prefix}-", rate=30.0, jitter_s=0.2, warm_up_s=0.2)
    return msgspec.structs.replace(job, **changes)


def test_who_lost_a_gateway_is_caught_up_when_it_has_what_was_said_meanwhile(deployment: Deployment) -> None:
    (process,) = deployment.processes
    with LoadProcess(_storm(deployment, "s")) as load:
        load.await_mark("begin")
        for _ in range(2):
            load.await_mark("ready")
            load.go()
            process.kill()
            process.start()
            load.await_mark("caught up")
            load.go()
        load.await_mark("end")
        result = load.result()
    assert result["violations"] == {}
    assert [wave["clients"] for wave in result["waves"]] == [12, 12]
    for wave in result["waves"]:
        assert wave["failures"] == {}
        assert wave["syncs"] >= 12
        assert 0 < wave["p50_s"] <= wave["p99_s"] <= wave["all_s"]
    process.await_ready()


def test_who_stays_has_heartbeats_answered_and_no_other_push(deployment: Deployment) -> None:
    tokens = list(seed(deployment.settings, 3, 0, 0, "h").users.values())
    with LoadProcess(CrowdJob(deployment.url("ws"), tokens, 2, stays=True)) as load:
        load.await_mark("begin")
        load.await_mark("end")
        time.sleep(0.5)
        load.go()
        assert load.result()["errors"] == {}


def test_members_who_sleep_are_sent_away_and_others_lose_nothing(deployment: Deployment) -> None:
    users = list(seed(deployment.settings, 4, 0, 0, "p").users.items())
    made = seed(deployment.settings, 3, 1, 3, "z")
    url = deployment.url("ws")
    pairs = PairsJob([url], users, "zp-", 1, 0.1, 4.0)
    steady = SteadyJob(pairs, 50.0)
    job = SlowJob(steady, url, made.groups[0], list(made.users.values()), "z-", 60.0, 14_000, sleeps=True)
    with LoadProcess(job) as load:
        load.await_mark("begin")
        load.await_mark("end")
        result = load.result()
    assert (result["violations"], result["errors"]) == ({}, {})
    assert result["sent_away"] > 0
