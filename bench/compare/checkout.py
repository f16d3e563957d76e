"""A commit in a git worktree of its own, with its own Python environment: what `git checkout` and scripts/setup.sh of
that commit make of it. It stays for the next comparison; whatever was changed in it is put back as committed.
"""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.compare import scripts
from ops.templates import ROOT

SEEDS = ("ops.seed", "scripts.seed")  # where commits have it, the latest first
TITLE_CHARACTERS = 90
NEEDED = ("scripts/setup.sh", "scripts/cluster.sh", "conf/cluster.toml")


class BadCommit(Exception):
    """There is no such commit, or it cannot be compared; the message says why."""


@dataclass(frozen=True)
class Commit:
    """`subject` is the first line of its message."""

    sha: str
    subject: str

    @property
    def name(self) -> str:
        return self.sha[:12]

    @property
    def title(self) -> str:
        return textwrap.shorten(self.subject, TITLE_CHARACTERS, placeholder=" ...")


@dataclass(frozen=True)
class Checkout:
    """A commit's files at `path`; `seed` is the module that makes users there."""

    commit: Commit
    path: Path
    seed: str

    @property
    def python(self) -> str:
        return str(self.path / "var" / "venv" / "bin" / "python")


def resolve(word: str) -> Commit:
    """The commit that git knows by this word: a hash, a branch, HEAD~3. Raises BadCommit."""
    sha = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}").stdout.strip()
    if not sha:
        raise BadCommit(f"{word!r} is no commit here: name one as `git log` does, such as HEAD, main or a hash.")
    return Commit(sha, _git("log", "-1", "--format=%s", sha).stdout.strip())


def has_changes() -> bool:
    """Whether files of this checkout differ from its HEAD."""
    return bool(_git("status", "--porcelain", "--untracked-files=no").stdout)


def check_out(commit: Commit, home: Path) -> Checkout:
    """The commit's files below `home`. Raises BadCommit."""
    path = home / commit.name
    if (path / ".git").exists():
        done = _git("-C", str(path), "reset", "--hard", "--quiet", commit.sha)
    else:
        # By force: git may still know one at this place that was removed by hand.
        done = _git("worktree", "add", "--quiet", "--force", "--detach", str(path), commit.sha)
    if done.returncode != 0:
        raise BadCommit(f"{commit.name} could not be checked out at {path}: {done.stderr.strip()}")
    seeds = [name for name in SEEDS if (path / name.replace(".", "/")).with_suffix(".py").exists()]
    missing = [name for name in NEEDED if not (path / name).exists()] + ([] if seeds else ["ops/seed.py"])
    if missing:
        raise BadCommit(f"{commit.name} ({commit.subject}) cannot be compared: it has no {', '.join(missing)}.")
    return Checkout(commit, path, seeds[0])


def set_up(checkout: Checkout, say: Callable[[str], None]) -> None:
    """Its Python environment by its own script; nothing happens where that is there. Raises ScriptFailed."""
    scripts.run(["scripts/setup.sh"], checkout.path, {}, say=say)


def remove_all(home: Path) -> list[str]:
    """Remove all checkouts below `home`; their names."""
    found = sorted(path.parent for path in home.glob("*/.git"))
    for path in found:
        _git("worktree", "remove", "--force", str(path))
        shutil.rmtree(path, ignore_errors=True)  # where git knows it no more
    return [path.name for path in found]


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *words], check=False, capture_output=True, text=True)
