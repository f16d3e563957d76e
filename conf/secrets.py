"""Secrets: generated into `var/secrets.toml` (mode 0600) at the first start, and refused when weak.

The first start is scripts/standalone.sh or scripts/cluster.sh up; no process makes a secret up by itself, so that two
processes can never hold two.
"""

from __future__ import annotations

import os
import secrets as random
import tomllib
from dataclasses import dataclass
from pathlib import Path

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
                f"there is no secret {name!r}: run `python -m conf.secrets {self.path.parent}` once to generate "
                f"{self.path}, or set it in the environment."
            )
        is_sample = any(sample in value.lower() for sample in SAMPLES) or len(set(value)) < 8
        if len(value) < MIN_CHARACTERS or is_sample:
            raise BadSecret(f"the secret {name!r} is short or a sample: use {MIN_CHARACTERS} random characters.")
        return value


def read_secrets(var: Path) -> Secrets:
    """What `var/secrets.toml` holds; nothing where there is no such file."""
    path = var / "secrets.toml"
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return Secrets(path, {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSecret(f"{path} cannot be read: {error}.") from None
    if not all(isinstance(value, str) for value in values.values()):
        raise BadSecret(f'{path} must hold strings only, such as token = "...".')
    return Secrets(path, values)


def generate(var: Path) -> bool:
    """Write `var/secrets.toml` unless it is there. True: it was written now."""
    var.mkdir(parents=True, exist_ok=True)
    path = var / "secrets.toml"
    lines = [f'{name} = "{random.token_hex(32)}"\n' for name in NAMES]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)
    return True


if __name__ == "__main__":
    import sys

    target = Path(sys.argv[1] if len(sys.argv) > 1 else "var")
    try:
        print(f"{target}/secrets.toml " + ("generated" if generate(target) else "is already there"))
    except OSError as error:
        sys.exit(f"{target}/secrets.toml cannot be written ({error.strerror}): HONGYAN_VAR says where all data lives.")
