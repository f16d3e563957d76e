"""ops/seed.py: what it makes can be used, and is made once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conf.secrets import generate
from conf.settings import Settings, load
from logic.app import open_store
from ops.seed import seed
from protocol.clock import now_ms
from protocol.tokens import TokenSigner
from store.tables import conversations, groups, sessions
from tests.private_servers import ROOT, PrivateServers


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.servers)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Of an empty store."""
    if request.param == "sqlite":
        generate(tmp_path)
        return load(ROOT / "conf" / "standalone.toml", {"HONGYAN_VAR": str(tmp_path)})
    servers: PrivateServers = request.getfixturevalue("servers")
    database = servers.fresh_database().database
    return load(servers.config, {"HONGYAN_STORE__DATABASE": database})


def test_users_have_sessions_and_groups_their_members(settings: Settings) -> None:
    made = seed(settings, 5, 2, 3, prefix="s")
    assert list(made.users) == ["s0", "s1", "s2", "s3", "s4"]
    assert made.groups == ["sg0", "sg1"]
    verified = [TokenSigner(settings.token.secret, 1).verify(token) for token in made.users.values()]
    assert [who.user for who in verified] == list(made.users)
    database = open_store(settings, connections=1)
    with database.reading() as tx:
        assert set(sessions.live(tx, "s1", now_ms())) == {verified[1].session}
        assert set(groups.groups_of(tx, ["s2"])["s2"]) == {"sg0", "sg1"}
        assert groups.groups_of(tx, ["s3"]).get("s3", {}) == {}
        view = conversations.views(tx, "s1", ["g:sg0"])["g:sg0"]
        assert (view.max_seq, view.unread) == (1, 0)
    database.close()


def test_again_it_keeps_what_is_there_and_makes_new_sessions(settings: Settings) -> None:
    first, again = seed(settings, 2, 1, 2), seed(settings, 3, 1, 3)
    assert again.groups == first.groups
    assert again.users["u0"] != first.users["u0"]
    database = open_store(settings, connections=1)
    with database.reading() as tx:
        assert len(sessions.live(tx, "u0", now_ms())) == 2
        assert [row.user for row in groups.member_page(tx, "ug0", "", 10)] == ["u0", "u1"]
    database.close()


def test_the_command_prints_json_and_says_what_is_wrong(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ops.seed", "--config", "conf/standalone.toml", "--users", "2", "--groups", "1"]
    environment = {"HONGYAN_VAR": str(tmp_path)}
    refused = subprocess.run(words, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "there is no secret 'token'" in refused.stderr
    generate(tmp_path)
    done = subprocess.run(words, check=True, cwd=ROOT, env=environment, capture_output=True, text=True)
    printed = json.loads(done.stdout)
    assert list(printed["users"]) == ["u0", "u1"]
    assert printed["groups"] == ["ug0"]
