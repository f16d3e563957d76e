"""Directories of runs: locked while the run lives, removed by the next when it was killed."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bench import private_cluster
from conf.settings import load
from ops import run_directory
from ops.cluster.components import DOORS, component_ports, gateway_names, worker_names
from ops.probes import is_port_free
from ops.servers.servers import NAMES, Servers
from tests import private_servers
from tests.private_servers import ROOT

RUN = """\
import sys, time
from pathlib import Path
from types import ModuleType
from ops import run_directory
with run_directory.create(Path(sys.argv[1]), "bus at {bus}, var at {var}", {"bus": 5673}) as config:
    print(config, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with a run of its own under `tmp_path`, and its configuration file."""
    with subprocess.Popen([sys.executable, "-c", RUN, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        yield run, Path(run.stdout.readline().strip())
        run.kill()


def test_a_run_has_a_configuration_and_secrets_which_go_with_it(tmp_path: Path) -> None:
    with run_directory.create(tmp_path, "bus at {bus}, var at {var}", {"bus": 5673}) as config:
        assert config.read_text() == f"bus at 5673, var at {config.parent}"
        assert (config.parent / "secrets.toml").exists()
    assert list(tmp_path.iterdir()) == []


def test_one_process_has_several_runs_by_their_suffixes(tmp_path: Path) -> None:
    with (
        run_directory.create(tmp_path, "", {}) as one,
        run_directory.create(tmp_path, "", {}, "-faults") as other,
    ):
        assert other.parent.name == one.parent.name + "-faults"


def test_a_run_that_failed_keeps_its_directory_for_the_next_to_remove(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), run_directory.create(tmp_path, "", {}) as config:
        raise RuntimeError
    assert config.exists()
    run_directory.remove_dead(tmp_path, lambda config: None)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_is_stopped_and_removed_and_a_living_one_is_left(
    tmp_path: Path, other_run: tuple[subprocess.Popen[str], Path]
) -> None:
    run, config = other_run
    stopped: list[Path] = []
    run_directory.remove_dead(tmp_path, stopped.append)
    assert config.exists()
    assert stopped == []
    run.send_signal(signal.SIGKILL)
    run.wait()
    run_directory.remove_dead(tmp_path, stopped.append)
    assert stopped == [config]
    assert list(tmp_path.iterdir()) == []


def test_ports_keep_their_places_and_nobody_listens_there() -> None:
    ports = run_directory.free_ports({"bus": 0, "gateway": 10}, unnamed=[11])
    assert ports["gateway"] == ports["bus"] + 10
    assert ports["bus"] % 100 == 0
    assert all(is_port_free("127.0.0.1", port) for port in (*ports.values(), ports["bus"] + 11))


def test_a_block_with_a_listener_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = run_directory.free_ports({"bus": 0}, unnamed=[7])["bus"]
    bases = itertools.chain([taken], itertools.count(21_000, run_directory.BLOCK))
    monkeypatch.setattr("ops.run_directory.random.randrange", lambda *_: next(bases))
    with socket.create_server(("127.0.0.1", taken + 7)):
        assert run_directory.free_ports({"bus": 0}, unnamed=[7])["bus"] != taken


def test_a_block_that_another_has_chosen_is_passed_over_though_nobody_listens_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = run_directory.free_ports({"bus": 0})["bus"]
    bases = itertools.chain([chosen], itertools.count(21_000, run_directory.BLOCK))
    monkeypatch.setattr("ops.run_directory.random.randrange", lambda *_: next(bases))
    assert run_directory.free_ports({"bus": 0})["bus"] != chosen


def test_a_long_run_gives_back_the_blocks_that_it_chose_long_ago() -> None:
    first = run_directory.free_ports({"bus": 0})["bus"]
    for _ in range(4):
        run_directory.free_ports({"bus": 0})
    assert is_port_free("127.0.0.1", first + run_directory.BLOCK - 1)


@pytest.mark.parametrize("of", [private_servers, private_cluster])
def test_a_cluster_keeps_to_its_block(tmp_path: Path, of: ModuleType) -> None:
    ports = run_directory.free_ports(of.PLACES, of.UNNAMED)
    block = range(ports["bus"], ports["bus"] + run_directory.BLOCK - 1)
    with run_directory.create(tmp_path, of.CONFIGURATION, ports) as config:
        settings = load(config, {})
        used = [port for name in NAMES for port in Servers(settings).ports(name) if port.number > 21_000]
        for name in (*gateway_names(2), *worker_names(3), *DOORS):
            used += component_ports(settings, name)
    assert all(port.number in block for port in used), used
    assert len({port.number for port in used}) == len(used)
