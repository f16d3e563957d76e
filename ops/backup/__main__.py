"""`scripts/backup.sh` and `scripts/restore.sh`: the store into a file while it is used, and back.

Exit codes: 0 fine, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from conf.settings import Settings
from ops.backup import archive, cluster, standalone
from ops.backup.archive import BadBackup, Description
from ops.backup.stores import require_fitting
from ops.cluster.command import FAILED, add_config, exit_code, open_deployment
from ops.cluster.deployment import Deployment
from ops.standalone import CONFIG as STANDALONE
from ops.standalone import load_running
from process.private_files import write_for_us_only
from store.errors import StoreError

BACKUP = "Write all that is stored into a file, while the system runs or not: accounts, groups, messages."
RESTORE = (
    "Put back what a backup holds; with --renew-epoch tell clients that something else has put it back. Nothing of "
    "ours may run. What is replaced is kept beside. Clients then begin anew: docs/operations.md, Backups."
)
PROGRAMS = {"backup": "scripts/backup.sh", "restore": "scripts/restore.sh"}


class Place:
    """The system that is meant: a cluster, or standalone."""

    def __init__(self, config: Path) -> None:
        deployment = open_deployment(config)
        is_cluster = deployment.settings.store.kind == "mysql"
        self.deployment: Deployment | None = deployment if is_cluster else None
        self.settings: Settings = deployment.settings if is_cluster else load_running(config)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """While nothing of ours runs. Raises ProcessFailed."""
        with cluster.exclusive(self.deployment) if self.deployment else standalone.exclusive(self.settings):
            yield


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/backup.sh or scripts/restore.sh", description=__doc__)
    add_config(parser)
    parser.add_argument("--from", dest="started_in", type=Path, default=Path(), help=argparse.SUPPRESS)
    verbs = parser.add_subparsers(dest="verb", required=True)
    backup = verbs.add_parser("backup", prog=PROGRAMS["backup"], description=BACKUP)
    backup.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="by default named by the time, in var/backups"
    )
    backup.add_argument(
        "--keep", type=_positive, metavar="N", help="without FILE: of those in var/backups remove all but the newest N"
    )
    restore = verbs.add_parser("restore", prog=PROGRAMS["restore"], description=RESTORE)
    restore.add_argument("file", nargs="?", type=Path, metavar="FILE", help="what scripts/backup.sh has made")
    restore.add_argument("--renew-epoch", action="store_true", help="instead of FILE: the data is put back already")
    restore.add_argument("--end-sessions", action="store_true", help="everybody must log in by password again")
    for verb in (backup, restore):
        verb.add_argument("--standalone", action="store_true", help="that of scripts/standalone.sh, not the cluster's")
    options = parser.parse_args(words)
    if options.verb == "restore" and (options.file is None) != options.renew_epoch:
        restore.error("give either FILE or --renew-epoch")
    if options.verb == "backup" and options.file is not None and options.keep is not None:
        backup.error("--keep is for backups without a FILE")
    if options.file is not None:
        options.file = options.started_in / options.file  # the scripts run in the checkout
    return options


def _positive(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")


def back_up(place: Place, file: Path | None, keep: int | None) -> None:
    """Raises StoreError, ProcessFailed, OSError."""
    settings, begun = place.settings, time.monotonic()
    path = file or settings.var / "backups" / f"{settings.mode}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    if path.exists():
        raise FileExistsError(f"there is a {path} already")
    said = (cluster if place.deployment else standalone).back_up(settings, path)
    megabytes = f"{path.stat().st_size / 1e6:.1f} MB, {said.bytes / 1e6:.1f} MB unpacked"
    print(f"{path}: {megabytes}, schema {said.origin.schema}, after {time.monotonic() - begun:.1f} s")
    if keep is not None:
        for old in sorted(path.parent.glob(f"{settings.mode}-*Z.zip"))[:-keep]:
            old.unlink()
            print(f"{old} removed")


def restore(place: Place, file: Path, *, end_sessions: bool) -> None:
    """Raises BadBackup, StoreError, ProcessFailed, OSError."""
    settings = place.settings
    said = archive.describe(file)
    require_fitting(said, settings)
    archive.verify(file, said)
    print(f"{file} is whole: made {_moment(said)} by version {said.version}, schema {said.origin.schema}")
    aside = f"before_{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    with place.exclusive():
        kept = (cluster if place.deployment else standalone).restore(
            settings, file, said, aside, end_sessions=end_sessions
        )
    print("restored: what was stored after that is gone, and clients begin anew")
    if kept:
        print(f"what was there before is kept as {kept}; remove it when all is well")


def renew(place: Place, *, end_sessions: bool) -> None:
    """Raises StoreError, ProcessFailed."""
    with place.exclusive():
        (cluster if place.deployment else standalone).renew(place.settings, end_sessions=end_sessions)
    print("the epoch is renewed: clients begin anew")


def run(options: argparse.Namespace) -> int:
    write_for_us_only()
    place = Place(STANDALONE if options.standalone else options.config)
    try:
        if options.verb == "backup":
            back_up(place, options.file, options.keep)
        elif options.renew_epoch:
            renew(place, end_sessions=options.end_sessions)
        else:
            restore(place, options.file, end_sessions=options.end_sessions)
    except (BadBackup, StoreError) as error:
        print(f"{PROGRAMS[options.verb]}: {error}", file=sys.stderr)
        return FAILED
    return 0


def _moment(said: Description) -> str:
    return f"{datetime.fromtimestamp(said.made / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def main(words: list[str]) -> int:
    options = parse(words)
    for number in (signal.SIGTERM, signal.SIGHUP):  # of a timer, of a terminal: what is unfinished goes, as by Ctrl-C
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup
            signal.signal(number, signal.default_int_handler)
    return exit_code(PROGRAMS[options.verb], lambda: run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
