"""All settings (sections.py): read from TOML, overridden by the environment, validated.

Law: a setting that is missing, unknown, of the wrong type or insecure raises BadSettings with a sentence that says
what to write instead, before anything is started. `HONGYAN_STORE__PORT=3310` overrides `port` under `[store]`.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.inspect import StructType

from conf.mistakes import BadSettings, nearest, sentence
from conf.secrets import BadSecret, read_secrets
from conf.sections import (
    BusSettings,
    ClusterSettings,
    GatewaySettings,
    LogicSettings,
    LogSettings,
    NginxSettings,
    RetentionSettings,
    RouterSettings,
    StandaloneSettings,
    StoreSettings,
    TokenSettings,
)
from conf.tls import tls_context
from conf.values import (
    Count,
    Directory,
    Section,
    fields_of,
    from_text,
    is_list,
)

PREFIX = "HONGYAN_"
# No settings: the file that the scripts read, and where the programs of the servers are (ops/programs.py).
FILE_VARIABLE = "HONGYAN_CONFIG"
SERVERS_VARIABLE = "HONGYAN_SERVERS"


class Settings(Section, frozen=True):
    """Everything. `var` holds all state; `partitions` is fixed at the first start (the store remembers it)."""

    mode: Literal["standalone", "cluster"] = "cluster"
    var: Directory = msgspec.field(default_factory=lambda: Path("var").absolute())
    partitions: Count = 8
    bus: BusSettings = BusSettings()
    router: RouterSettings = RouterSettings()
    store: StoreSettings = StoreSettings()
    token: TokenSettings = TokenSettings()
    gateway: GatewaySettings = GatewaySettings()
    logic: LogicSettings = LogicSettings()
    retention: RetentionSettings = RetentionSettings()
    logs: LogSettings = LogSettings()
    cluster: ClusterSettings = ClusterSettings()
    nginx: NginxSettings = NginxSettings()
    standalone: StandaloneSettings = StandaloneSettings()


_SECTIONS = {field.name: field.type for field in fields_of(Settings) if isinstance(field.type, StructType)}


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a TOML file with the environment's overrides and the secrets. Raises BadSettings."""
    tree, variables = _with_environment(_read(path), os.environ if environment is None else environment)
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=from_text)
        tls_context(settings.store)
        return _with_secrets(settings)
    except msgspec.ValidationError as error:
        raise BadSettings(sentence(error, Settings, tree, variables)) from None
    except BadSecret as error:
        raise BadSettings(str(error)) from None


def load_or_exit(program: str, path: Path) -> Settings:
    """The same for the start of a process: a configuration that cannot be used ends it with the sentence and code 2."""
    try:
        return load(path)
    except BadSettings as bad:
        print(f"{program}: {bad}", file=sys.stderr)
        raise SystemExit(2) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings(f"{path} cannot be read ({error.strerror}); name a file such as conf/cluster.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not TOML: {error}.") from None


def _with_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """`tree` with what the environment says; and by setting, such as "store.port", the variable that said it."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    variables: dict[str, str] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in (FILE_VARIABLE, SERVERS_VARIABLE):
            continue
        section, _, key = variable[len(PREFIX) :].lower().partition("__")
        if key and section in _SECTIONS:
            settings = merged.setdefault(section, {})
            if isinstance(settings, dict):
                settings[key] = _split(text) if _is_list(section, key) else text
                variables[f"{section}.{key}"] = variable
        elif not key and section in ("var", "partitions"):
            merged[section] = text
            variables[section] = variable
        else:
            meant = nearest(variable, _variables())
            raise BadSettings(
                f"{variable} names no setting.{meant} Write {PREFIX}SECTION__KEY, such as {PREFIX}STORE__PORT."
            )
    return merged, variables


def _variables() -> list[str]:
    """All variables that name a setting."""
    keys = [f"{section}__{field.name}" for section, type_ in _SECTIONS.items() for field in type_.fields]
    return [f"{PREFIX}{key.upper()}" for key in ("var", "partitions", *keys)]


def _is_list(section: str, key: str) -> bool:
    return any(field.name == key and is_list(field.type) for field in _SECTIONS[section].fields)


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _with_secrets(settings: Settings) -> Settings:
    """Fill in what is generated into `var/secrets.toml` at the first start and is written nowhere else."""
    secrets = read_secrets(settings.var)
    changed: dict[str, Section] = {}
    for name in ("bus", "router", "store"):
        section = getattr(settings, name)
        if section.kind not in ("memory", "sqlite"):
            changed[name] = msgspec.structs.replace(section, password=secrets.take(name, section.password))
    secret = secrets.take("token", settings.token.secret)
    return msgspec.structs.replace(settings, token=msgspec.structs.replace(settings.token, secret=secret), **changed)
