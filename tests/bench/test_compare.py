"""scripts/bench.sh compare: what it makes of measurements, of commits and of scripts, and once the whole of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.compare import checkout, scripts
from bench.compare.checkout import BadCommit, check_out, has_changes, remove_all, resolve
from bench.compare.command import main
from bench.compare.costs import LOADS
from bench.compare.scripts import ScriptFailed
from bench.compare.verdict import Verdict, table
from ops.templates import ROOT

ROAD = LOADS["road"].costs[0]


class Repository:
    """A small one with a history of its own, in place of this one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "--quiet")

    def git(self, *words: str) -> str:
        who = ["-c", "user.name=Mei", "-c", "user.email=mei@example.com"]
        done = subprocess.run(["git", *who, *words], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self, subject: str, *files: str) -> str:
        for file in files:
            target = self.path / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(f"{subject}\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", subject)
        return self.git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    path = tmp_path / "repository"
    path.mkdir()
    monkeypatch.setattr(checkout, "ROOT", path)
    return Repository(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_median_of_the_pairs_ratios_decides() -> None:
    """The machine was slow in the second pair, for both, and something disturbed B in the third."""
    a = [{"g1": 40.0, "w1": 60.0}, {"g1": 80.0, "w1": 120.0}, {"g1": 40.0, "w1": 60.0}]
    b = [{"g1": 44.0, "w1": 60.0}, {"g1": 82.0, "w1": 126.0}, {"g1": 90.0, "w1": 90.0}]
    verdict = Verdict(ROAD, a, b, at_most_percent=5.0)
    assert verdict.ratios == pytest.approx([1.04, 1.04, 1.8])
    assert verdict.is_within
    assert not Verdict(ROAD, a, b, at_most_percent=3.9).is_within
    found = verdict.found()
    assert (found["a"], found["b"], found["ratio"]) == (100.0, 180.0, 1.04)
    assert found["parts"] == {"g1": [40.0, 82.0], "w1": [60.0, 90.0]}


def test_the_table_says_what_costs_more_and_where() -> None:
    worse = Verdict(ROAD, [{"g1": 50.0}], [{"g1": 50.0, "w2": 10.0}], at_most_percent=5.0)
    head, row, parts = table([worse]).splitlines()
    assert "B/A" in head
    assert "COSTS 20.0 % MORE" in row
    assert "us of CPU a message" in row
    assert "w2 0.00 to 10.0" in parts
    assert "within 20 %" in table([Verdict(ROAD, worse.a, worse.b, at_most_percent=20.0)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["HEAD"], "name two commits"),
        (["HEAD", "HEAD", "--only", "road,rode"], "there is no 'rode'"),
        (["HEAD", "HEAD", "--pairs", "0"], "from 1 on"),
        (["HEAD", "HEAD", "--seconds", "soon"], "'soon' is not a number"),
        (["HEAD", "--clean"], "takes no commits"),
    ],
)
def test_wrong_usage_is_2_and_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_no_commit_is_said_before_anything_is_made(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["HEAD", "nonsense", "--home", str(home)]) == 1
    assert "'nonsense' is no commit here" in capsys.readouterr().err
    assert [path.name for path in home.iterdir()] == ["lock"]


def test_a_commit_has_a_checkout_that_is_used_again_and_put_back(repository: Repository, home: Path) -> None:
    first = repository.commit("first", *checkout.NEEDED, "scripts/seed.py")
    second = repository.commit("second", "ops/seed.py")
    one, two = check_out(resolve(first[:9]), home), check_out(resolve("HEAD"), home)
    assert (one.seed, two.seed) == ("scripts.seed", "ops.seed")
    assert (two.commit.sha, two.commit.subject) == (second, "second")
    assert not (one.path / "ops").exists()
    (one.path / "scripts/seed.py").write_text("changed by hand\n")
    (one.path / "var").mkdir()
    assert check_out(resolve(first), home) == one
    assert (one.path / "scripts/seed.py").read_text() == "first\n"
    assert (one.path / "var").exists()
    assert sorted(remove_all(home)) == sorted([one.commit.name, two.commit.name])
    assert list(home.iterdir()) == []
    assert str(home) not in repository.git("worktree", "list")


def test_a_checkout_that_was_removed_by_hand_is_made_again(repository: Repository, home: Path) -> None:
    commit = resolve(repository.commit("first", *checkout.NEEDED, "ops/seed.py"))
    made = check_out(commit, home)
    subprocess.run(["rm", "-r", made.path], check=True)
    assert check_out(commit, home) == made
    assert made.path.exists()


def test_a_commit_before_the_scripts_is_refused_in_words(repository: Repository, home: Path) -> None:
    commit = resolve(repository.commit("the beginning", "README.md"))
    with pytest.raises(BadCommit, match=r"\(the beginning\) cannot be compared: it has no scripts/setup.sh"):
        check_out(commit, home)


def test_only_changes_of_what_git_knows_are_changes(repository: Repository) -> None:
    repository.commit("first", "README.md")
    (repository.path / "notes.txt").write_text("mine\n")
    assert not has_changes()
    (repository.path / "README.md").write_text("changed\n")
    assert has_changes()


def test_a_script_that_fails_is_quoted(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(ScriptFailed, match="no such server"):
        scripts.run(["sh", "-c", "echo begun; echo no such server >&2; exit 3"], tmp_path, {}, say=told.append)
    assert told == ["begun", "no such server"]
    with pytest.raises(ScriptFailed, match="no such user"):
        scripts.ask(["sh", "-c", "echo no such user >&2; exit 3"], tmp_path, {})


def test_a_script_gets_its_settings_and_none_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONGYAN_STORE__PORT", "1")
    monkeypatch.setenv("PYTHONPATH", "ours")
    words = ["sh", "-c", 'echo "$HONGYAN_VAR:$HONGYAN_STORE__PORT:$PYTHONPATH"']
    assert scripts.ask(words, tmp_path, {"HONGYAN_VAR": "theirs"}) == "theirs::\n"


def test_ctrl_c_ends_a_script(tmp_path: Path) -> None:
    words = ["sh", "-c", "echo begun; sleep 60; touch done"]
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        scripts.run(words, tmp_path, {}, say=lambda line: signal.raise_signal(signal.SIGINT))
    assert time.monotonic() - begun < 30
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_script_that_starts_processes_comes_to_its_end_first(tmp_path: Path, number: signal.Signals) -> None:
    """However early the signal comes."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        words = ["sh", "-c", f"kill -{number} $PPID; sleep 0.5; touch done"]
        with pytest.raises(KeyboardInterrupt):
            scripts.run(words, tmp_path, {}, to_its_end=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "done").exists()


def _compare(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench", "compare", "--home", str(home), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _processes_left(home: Path) -> list[list[str]]:
    """The command lines of whatever still runs from there."""
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if any(str(home) in word for word in line)]


@pytest.fixture(scope="module")
def real_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where real commits of this repository are compared."""
    home = tmp_path_factory.mktemp("compare")
    yield home
    assert _compare(home, "--clean").wait() == 0


@pytest.mark.servers
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_head_costs_what_head_costs(real_home: Path) -> None:
    words = ["HEAD", "HEAD", "--pairs", "1", "--seconds", "1", "--connections", "100", "--only", "road,idle"]
    with _compare(real_home, *words, "--at-most", "1000", "--json") as process:
        out, told = process.communicate()
    assert process.returncode == 0, told
    found: dict[str, Any] = json.loads(out)
    assert found["is_within"] is True
    assert [cost["name"] for cost in found["costs"]] == ["road", "idle", "memory"]
    road, idle, memory = found["costs"]
    assert {"rabbitmq", "redis", "mariadb", "nginx", "g1", "w1", "p1"} <= road["parts"].keys() == idle["parts"].keys()
    assert "generator" not in road["parts"]
    assert road["a"] > 0 < road["b"]
    assert memory["ratios"] == [memory["ratio"]]
    assert found["commits"]["A"] == found["commits"]["B"] == asdict(resolve("HEAD"))
    assert "pair 1 of 1" in told
    (written,) = real_home.glob("compare-*.json")
    assert json.loads(written.read_text())["raw"]["road"][0]["A"]["violations"] == {}
    assert _processes_left(real_home) == []
    assert list((real_home / "clusters").iterdir()) == []


@pytest.mark.servers
@pytest.mark.timeout(300)
@pytest.mark.slow
def test_ctrl_c_stops_both_clusters(real_home: Path) -> None:
    """While the second one is being started."""
    with _compare(real_home, "HEAD", "HEAD") as process:
        assert process.stderr is not None
        assert any("A its cluster is up" in line for line in process.stderr)
        assert _processes_left(real_home) != []
        with _compare(real_home, "HEAD", "HEAD") as other:
            assert "another comparison is under way" in other.communicate()[1]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 1
    assert told.endswith("interrupted: all was stopped\n")
    assert _processes_left(real_home) == []
