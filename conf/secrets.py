"""Secrets: generated into `var/secrets.toml` (mode 0600) at the first start, and refused when weak.

Laws: a secret that is there is never changed; a version that needs another one adds it. Only the scripts generate
(scripts/setup.sh, scripts/cluster.sh): no process makes a secret up by itself, so that two can never hold two.
"""

from __future__ import annotations

import fcntl
import os
import secrets as random
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from process.private_files import write_for_us_only

FILE = "secrets.toml"
NAMES = ("token", "bus", "router", "store")
MIN_CHARACTERS = 32
SAMPLES = ("secret", "change", "password", "example", "sample", "hongyan", "123456", "admin")


class BadSecret(Exception):
    """A secret is missing, short or a sample; the message says what to do."""


@dataclass(frozen=True, repr=False)
class Secrets:
    """The secrets of one `var`, by name."""

    path: Path
    values: dict[str, str]

    def take(self, name: str, configured: str) -> str:
        """The secret `name`: what was configured if anything, else the generated one. Raises BadSecret."""
        value = configured or self.values.get(name, "")
        if not value:
            raise BadSecret(
                f"there is no secret {name!r}: run `python -m conf.secrets {self.path.parent}` to generate it into "
                f"{self.path}, or set it in the environment."
            )
        is_sample = any(sample in value.lower() for sample in SAMPLES) or len(set(value)) < 8
        if len(value) < MIN_CHARACTERS or is_sample:
            raise BadSecret(f"the secret {name!r} is short or a sample: use {MIN_CHARACTERS} random characters.")
        return value


def read_secrets(var: Path) -> Secrets:
    """What `var/secrets.toml` holds; nothing where there is no such file."""
    path = var / FILE
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return Secrets(path, {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSecret(f"{path} cannot be read: {error}.") from None
    if not all(isinstance(value, str) for value in values.values()):
        raise BadSecret(f'{path} must hold strings only, such as token = "...".')
    return Secrets(path, values)


def generate(var: Path) -> list[str]:
    """Write into `var/secrets.toml` the names that it lacks, in one step; what it holds stays. Returns those names.

    Raises BadSecret where what is there cannot be read, and OSError where nothing can be written.
    """
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _missing(var):
        return []
    with _locked(var):  # another first start may be at it
        missing = _missing(var)
        if missing:
            _add(var / FILE, missing)
        return missing


def _missing(var: Path) -> list[str]:
    held = read_secrets(var).values
    return [name for name in NAMES if name not in held]


def _add(path: Path, names: list[str]) -> None:
    """An older version wrote what is there, or a person; a reader sees it as it was, or whole."""
    text = path.read_text() if path.exists() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    unfinished = path.with_name(f"{FILE}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.writelines(f'{name} = "{random.token_hex(32)}"\n' for name in names)
        file.flush()
        os.fsync(file.fileno())  # the servers are about to be set up with these passwords
    unfinished.replace(path)


@contextmanager
def _locked(var: Path) -> Iterator[None]:
    """One at a time, by a lock on the directory itself."""
    descriptor = os.open(var, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main(words: list[str]) -> int:
    """`python -m conf.secrets [VAR]`: generates what is missing, and says so."""
    write_for_us_only()
    path = Path(words[0] if words else "var") / FILE
    try:
        added = generate(path.parent)
    except BadSecret as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{path} cannot be written ({error.strerror}): HONGYAN_VAR says where all data lives.",
            file=sys.stderr,
        )
        return 1
    if added:
        print(f"generated into {path}: {', '.join(added)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
