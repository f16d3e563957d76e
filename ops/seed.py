"""Makes users, groups and tokens straight in the store: for tests, the bench and trying things out.

    python -m ops.seed --config conf/cluster.toml --users 100 --groups 2 --members 50

prints one JSON object: {"users": {id: token}, "groups": [id, ...]}. What exists already is kept; each call makes new
sessions. A group made here is not announced to running gateways: make groups before their members log in.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from conf.mistakes import BadSettings
from conf.settings import Settings, load
from logic.app import open_store
from process.logs import configure_logs
from process.private_files import write_for_us_only
from protocol import content, ids
from protocol.clock import now_ms
from protocol.tokens import TokenSigner
from store import meta
from store.database import Database
from store.errors import StoreError
from store.tables import cursors, groups, messages, sessions, users
from store.tables.groups import GroupRow, MemberRow
from store.tables.messages import MessageRow
from store.tables.sessions import SessionRow
from store.tables.users import UserRow

CHUNK = 500
SESSION_S = 86_400


@dataclass(frozen=True)
class Seed:
    """`users` {id: token}, `groups` ids."""

    users: dict[str, str]
    groups: list[str]


def _in_chunks(names: list[str]) -> list[list[str]]:
    return [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]


def seed_users(settings: Settings, database: Database, names: list[str], terminal: str = "web") -> dict[str, str]:
    """Users with these ids and a new session each: {id: token}."""
    now = now_ms()
    signer = TokenSigner(settings.token.secret, SESSION_S)
    tokens: dict[str, str] = {}
    for chunk in _in_chunks(names):
        fresh = {name: ids.new_id() for name in chunk}
        with database.transaction() as tx:
            users.insert_missing(tx, [UserRow(n, None, None, n) for n in chunk], now)
            for name, session in fresh.items():
                ends = now + SESSION_S * 1000
                row = SessionRow(session, name, terminal, "seed", session, None, None, now, ends)
                sessions.insert(tx, row)
        for name, session in fresh.items():
            tokens[name], _ = signer.issue(name, session, terminal, "seed", now)
    return tokens


def seed_group(database: Database, group: str, members: list[str]) -> None:
    """A group of these users, the first its owner; nothing happens where it exists."""
    now = now_ms()
    conversation = ids.group_conversation(group)
    with database.transaction() as tx:
        if groups.get(tx, [group]):
            return
        groups.insert(tx, GroupRow(group, group, None, None, members[0], "invite", False, len(members)), now)
        body = content.encode_body({"event": "created", "group": group, "users": members[:CHUNK], "name": group})
        cid = ids.derived_cid("seed", group)
        notice = MessageRow(conversation, 1, members[0], cid, "notice", body, None, None, now, 0, bytes(16))
        messages.insert(tx, [notice])
        for chunk in _in_chunks(sorted(members)):
            rows = [MemberRow(group, u, "owner" if u == members[0] else "member", 1, None, 0) for u in chunk]
            groups.put_members(tx, rows)
            cursors.read_up_to(tx, [(user, conversation, 0) for user in chunk])


def seed_groups(settings: Settings, members: Mapping[str, list[str]]) -> None:
    """Groups by id, of users who exist."""
    database = open_store(settings, connections=1)
    try:
        for group, users_of_group in members.items():
            seed_group(database, group, users_of_group)
    finally:
        database.close()


def seed(settings: Settings, count: int, group_count: int, members: int, prefix: str = "u") -> Seed:
    """`count` users `{prefix}0` ..., and `group_count` groups `{prefix}g0` ... of the first `members` users."""
    database = open_store(settings, connections=1)
    try:
        meta.initialise(database, settings.partitions)
        names = [f"{prefix}{number}" for number in range(count)]
        tokens = seed_users(settings, database, names)
        made = [f"{prefix}g{number}" for number in range(group_count)]
        for group in made:
            seed_group(database, group, names[:members])
    finally:
        database.close()
    return Seed(tokens, made)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.seed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, default=Path("conf/cluster.toml"), help="a file of conf/")
    parser.add_argument("--users", type=int, default=10, help="how many users (u0, u1, ...)")
    parser.add_argument("--groups", type=int, default=0, help="how many groups (ug0, ug1, ...)")
    parser.add_argument("--members", type=int, default=3, help="the first so many users are in each group")
    parser.add_argument("--prefix", default="u", help="begins every id")
    arguments = parser.parse_args()
    write_for_us_only()
    configure_logs("seed")
    try:
        made = seed(load(arguments.config), arguments.users, arguments.groups, arguments.members, arguments.prefix)
    except (BadSettings, StoreError) as error:
        print(f"seed: {error}", file=sys.stderr)
        return 1
    json.dump({"users": made.users, "groups": made.groups}, sys.stdout)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
