"""scripts/cluster.sh as an operator uses it: up, more of it, a crash, restart, down; on ports and a var of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.processes import Process
from ops.run_environment import remember
from ops.servers.rabbitmq import internal_ports
from tests.modes import open_to_others
from tests.private_servers import CONFIGURATION, ROOT, free_ports

SERVERS = ["rabbitmq", "redis", "mariadb"]
ODD_AND_GOOD = "鸿雁,=+@%!^~"  # all that a path may have besides letters, digits and ._-

pytestmark = [pytest.mark.servers, pytest.mark.slow, pytest.mark.timeout(240)]


class Operator:
    """Runs scripts/cluster.sh against one configuration."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.config = var / "cluster.toml"
        self.ports = free_ports()
        self.door_port = self.ports["nginx"] + 5  # given to `up` by the environment
        self.config.write_text(CONFIGURATION.format(var=var, **self.ports))

    def run(self, *words: str, script: str = "cluster.sh", **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HONGYAN_CONFIG": str(self.config), **settings}
        words = (str(ROOT / "scripts" / script), *words)
        return subprocess.run(words, check=False, env=environment, capture_output=True, text=True, timeout=200, umask=0)

    def up(self, gateways: int = 1, workers: int = 1) -> str:
        given = {"HONGYAN_NGINX__PORT": str(self.door_port)}
        done = self.run("up", "--gateways", str(gateways), "--workers", str(workers), **given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, dict[str, object]]:
        return {row["name"]: row for row in json.loads(self.run("status", "--json").stdout)}

    def pids(self) -> dict[str, object]:
        return {name: row["pid"] for name, row in self.status().items()}

    def states(self) -> dict[str, object]:
        return {name: row["state"] for name, row in self.status().items()}

    def processes_left(self) -> list[str]:
        """The command lines of whatever still runs from this var or as its epmd."""
        left = []
        for process in psutil.process_iter():
            try:
                words, environment = process.cmdline(), process.environ()
            except psutil.Error:
                continue
            is_epmd = words[:1] and words[0].endswith("epmd") and str(internal_ports(self.ports["bus"])[1]) in words
            if is_epmd or any(str(self.var) in text for text in (*words, *environment.values())):
                left.append(" ".join(words))
        return left


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    var = tmp_path_factory.mktemp("cluster") / ODD_AND_GOOD
    var.mkdir()
    made = Operator(var)
    yield made
    made.run("down")


def test_up_starts_all_and_says_so(operator: Operator) -> None:
    assert "all is up" in operator.up()
    assert operator.states() == dict.fromkeys([*SERVERS, "log-rotation", "w1", "p1", "g1", "nginx", "nginx-tcp"], "up")
    assert operator.run("status").returncode == 0
    assert operator.status()["nginx"]["port"] == operator.door_port


def test_what_the_cluster_writes_is_for_its_user_alone_whatever_the_umask(operator: Operator) -> None:
    operator.up()
    operator.config.chmod(0o600)  # written by the test, not by the cluster
    assert open_to_others(operator.var) == []


def test_a_setting_that_one_command_alone_has_is_told(operator: Operator) -> None:
    operator.up()
    other = str(operator.door_port + 1)
    done = operator.run("logs", "nginx", HONGYAN_NGINX__PORT=other)
    assert "HONGYAN_NGINX__PORT is not what the cluster was started with" in done.stderr
    looked = operator.run("status", HONGYAN_NGINX__PORT=other)
    assert (looked.returncode, looked.stderr) == (0, "")


def test_up_again_changes_nothing(operator: Operator) -> None:
    operator.up()
    before = operator.pids()
    assert "already" in operator.up()
    assert operator.pids() == before


def test_up_with_more_starts_only_what_is_missing(operator: Operator) -> None:
    operator.up()
    before = operator.pids()
    operator.up(gateways=2, workers=2)
    after = operator.pids()
    assert after.keys() - before.keys() == {"g2", "w2"}
    assert {name: after[name] for name in before} == before
    assert operator.status()["g2"]["port"] == operator.ports["gateway"] + 1


def test_a_crash_is_seen_and_restart_mends_it(operator: Operator) -> None:
    operator.up()
    before = operator.pids()
    os.kill(int(str(before["w1"])), signal.SIGKILL)
    status = operator.run("status")
    assert status.returncode == 1
    assert "dead" in status.stdout
    assert operator.run("restart", "w1").returncode == 0
    after = operator.pids()
    assert operator.states()["w1"] == "up"
    assert [name for name in after if after[name] != before[name]] == ["w1"]


def test_without_a_server_nothing_of_ours_is_stopped_for_a_restart(operator: Operator) -> None:
    operator.up()
    before = operator.pids()
    os.kill(int(str(before["redis"])), signal.SIGKILL)
    begun = time.monotonic()
    for done in (operator.run("restart", "w1"), operator.run(script="rolling_restart.sh")):
        assert done.returncode == 1
        assert "needs redis, which is not up: scripts/cluster.sh up" in done.stderr
    assert time.monotonic() - begun < 20
    assert operator.pids() == {**before, "redis": None}


@pytest.mark.parametrize("name", ["redis", "g1", "nginx", "nginx-tcp"])
def test_restart_gives_a_new_process(operator: Operator, name: str) -> None:
    operator.up()
    before = operator.pids()
    done = operator.run("restart", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name} stopped after" in done.stdout
    after = operator.pids()
    assert [name for name in after if after[name] != before[name]] == [name]


def test_logs_are_shown_by_name(operator: Operator) -> None:
    operator.up()
    assert operator.run("logs", "redis").stdout


def test_wrong_usage_is_2_and_named(operator: Operator) -> None:
    unknown = operator.run("restart", "g99")
    assert unknown.returncode == 2
    assert "there is no component 'g99'" in unknown.stderr
    assert operator.run("up", "--gateways", "none").returncode == 2
    assert operator.run("sideways").returncode == 2
    assert operator.run("--help").returncode == 0


def test_more_workers_than_partitions_are_refused(operator: Operator) -> None:
    done = operator.run("up", "--workers", "5")
    assert done.returncode == 1
    assert "4 partitions" in done.stderr


def test_down_leaves_no_process_and_may_be_repeated(operator: Operator) -> None:
    operator.up()
    done = operator.run("down")
    assert done.returncode == 0, done.stderr
    assert operator.processes_left() == []
    assert set(operator.states().values()) == {"down"}
    drained = operator.run("g1", script="drain.sh")
    assert drained.stdout == "g1 does not run; scripts/cluster.sh restart g1 starts it\n"
    again = operator.run("down")
    assert (again.returncode, again.stdout.strip()) == (0, "nothing was up")


def test_all_ports_that_are_taken_are_named_before_anything_starts(operator: Operator) -> None:
    operator.run("down")
    taken = {
        "redis": (operator.ports["router"], "ROUTER__PORT"),
        "g2": (operator.ports["tcp"] + 1, "CLUSTER__FIRST_GATEWAY_TCP_PORT"),
        "nginx-tcp": (operator.ports["nginx_tcp"], "NGINX__TCP_PORT"),
    }
    with contextlib.ExitStack() as stack:
        for port, _ in taken.values():
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        done = operator.run("up", HONGYAN_LOGIC__THREADS="3")
    assert done.returncode == 1
    for name, (port, key) in taken.items():
        setting = f"which follows from HONGYAN_{key}={port - 1}" if name == "g2" else f"HONGYAN_{key}"
        assert f"{name} cannot listen on 127.0.0.1:{port} ({setting}): another program holds it" in done.stderr
    assert set(operator.states().values()) == {"down"}
    # Nothing was started, so nothing of it is remembered.
    assert not (operator.var / "run" / "cluster.environment.json").exists()


def test_two_of_ours_on_one_port_and_a_host_that_is_none_are_named(operator: Operator) -> None:
    operator.run("down")
    both = str(operator.ports["gateway"])
    done = operator.run("up", HONGYAN_NGINX__PORT=both, HONGYAN_NGINX__HOST="127.0.0.1", HONGYAN_STORE__PORT=both)
    assert done.returncode == 1
    assert f"mariadb and g1 and nginx are all to listen on port {both} (HONGYAN_STORE__PORT" in done.stderr
    done = operator.run("up", HONGYAN_GATEWAY__HOST="no.such.host.invalid")
    assert done.returncode == 1
    assert "'no.such.host.invalid' is no address of this machine" in done.stderr


def test_a_var_that_cannot_be_is_said_in_a_sentence(operator: Operator) -> None:
    done = operator.run("status", HONGYAN_VAR="/proc/x")
    assert done.returncode == 1
    assert "/proc/x/secrets.toml cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_is_said_in_a_sentence(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.config.write_text('mode = "cluster"\n[bus]\nprot = 1\n')
    done = operator.run("status")
    assert done.returncode == 1
    assert "[bus] has no setting 'prot'" in done.stderr


def test_up_with_other_settings_is_refused_while_anything_runs(tmp_path: Path) -> None:
    """Something that sleeps stands for Redis."""
    operator = Operator(tmp_path)
    assert operator.run("status").returncode == 1
    remember(operator.var, "cluster", {"HONGYAN_NGINX__PORT": "18080"})
    record = operator.var / "run" / "cluster.environment.json"
    before = record.read_text()
    redis = Process("redis", lambda: ["sleep", "60"], operator.var, lambda: True)
    redis.start()
    try:
        for name, value in {"ROUTER__PORT": "16390", "NGINX__PORT": "18090"}.items():
            done = operator.run("up", **{f"HONGYAN_{name}": value})
            assert done.returncode == 1
            assert f"HONGYAN_{name} is not what the cluster was started with, and it runs: " in done.stderr
            assert "counts for this command" not in done.stderr
        assert record.read_text() == before
        # A look at it shows what was started.
        looked = operator.run("status", "--json", HONGYAN_NGINX__PORT="18090")
        assert {row["name"]: row["port"] for row in json.loads(looked.stdout)}["nginx"] == 18080
        assert looked.stderr == ""
        # What is said already, wherever, is no other setting.
        given = {"HONGYAN_ROUTER__PORT": str(operator.ports["router"]), "HONGYAN_NGINX__PORT": "18080"}
        assert operator.run("status", **given).stderr == ""
    finally:
        redis.kill()
    assert set(operator.states().values()) == {"down", "dead"}


def test_a_missing_server_names_the_packages(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    words = [sys.executable, "-m", "ops.cluster", "--config", str(operator.config), "up"]
    environment = {"PATH": str(tmp_path)}
    done = subprocess.run(words, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "apt-get install rabbitmq-server redis-server mariadb-server" in done.stderr


def test_backup_and_restore_as_an_operator_does_it(operator: Operator) -> None:
    """Without servers there is nothing to back up; a restore brings up those that it needs, and no others stay up."""
    operator.up()
    done = operator.run(script="backup.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (operator.var / "backups").iterdir()
    while_up = operator.run(str(file), script="restore.sh")
    assert while_up.returncode == 1
    assert "g1, nginx, nginx-tcp, p1, w1 run: scripts/cluster.sh down first" in while_up.stderr
    operator.run("down")
    nothing = operator.run(script="backup.sh")
    assert (nothing.returncode, "Traceback" in nothing.stderr) == (1, False)
    assert "MariaDB does not answer" in nothing.stderr
    done = operator.run(str(file), script="restore.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is kept as hongyan_before_" in done.stdout
    assert set(operator.states().values()) == {"down"}
    again = operator.run(str(file), script="restore.sh")
    assert again.returncode == 0, again.stdout + again.stderr
    operator.up()
    assert operator.run("status").returncode == 0
