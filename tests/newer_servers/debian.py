"""A Debian of another version in a directory, by the mirror of this machine's apt, and wrappers around its servers.

Laws: nothing is installed into this machine's system, no daemon is started. A wrapper becomes its program, so that a
test can kill and freeze it by its pid (enter.sh).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENTER = Path(__file__).resolve().parent / "enter.sh"
CHECKOUT = ENTER.parent.parent.parent
NO_DAEMONS = "#!/bin/sh\nexit 101\n"
HOSTS = "127.0.0.1 localhost\n::1 localhost\n"
MADE = "made"


class NoDebian(Exception):
    """It cannot be made; the message says why."""


class Debian:
    """The Debian `release` below `directory`: `root` is its system, `bin` the wrappers, `modules` those of nginx."""

    def __init__(self, directory: Path, release: str) -> None:
        self._release = release
        self._made = directory / MADE
        self.root, self.bin, self.modules = (directory / name for name in ("root", "bin", "modules"))

    def __repr__(self) -> str:
        return f"Debian({self._release}, {self.root})"

    def make(self, packages: tuple[str, ...], programs: Mapping[str, str]) -> None:
        """Install `packages` with what they depend on, and wrap `programs` {name: path within}. What is there already
        is kept, and brought up to date. Raises NoDebian."""
        if not self._made.exists():
            self._bootstrap()
        self._apt_get("-o", "Acquire::Check-Valid-Until=false", "update")
        self._apt_get("install", "-y", "--no-install-recommends", *packages)
        self.bin.mkdir(exist_ok=True)
        for name, path in programs.items():
            words = (str(ENTER), str(self.root), str(CHECKOUT), path)
            wrapper = self.bin / name
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            wrapper.chmod(0o755)
        self.modules.unlink(missing_ok=True)
        self.modules.symlink_to(Path(self.root.name, "usr/lib/nginx/modules"))

    def _bootstrap(self) -> None:
        debootstrap = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if debootstrap is None or os.geteuid() != 0:
            raise NoDebian("debootstrap and root are needed: apt-get install debootstrap, and sudo.")
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        _run([debootstrap, "--variant=minbase", self._release, str(self.root), mirror()], {})
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text(NO_DAEMONS)
        policy.chmod(0o755)
        (self.root / "etc/hosts").write_text(HOSTS)
        self._made.touch()

    def _apt_get(self, *words: str) -> None:
        _run([str(ENTER), str(self.root), str(CHECKOUT), "apt-get", *words], {"DEBIAN_FRONTEND": "noninteractive"})


def mirror() -> str:
    """The address of Debian's packages in the configuration of this machine's apt. Raises NoDebian."""
    words = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages"]
    for line in _run(words, {}).splitlines():
        origin, codename, address = line.split(" ", 2)
        if origin == "Debian" and "-" not in codename:  # not bookworm-security, whose place has no whole release
            return address
    raise NoDebian("this machine's apt knows no mirror of Debian.")


def _run(words: list[str], more: Mapping[str, str]) -> str:
    """What a program prints. Raises NoDebian with what it says where it fails."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, env={**os.environ, **more})
    if done.returncode != 0:
        raise NoDebian(f"{shlex.join(words)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
