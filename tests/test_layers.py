"""Who may import whom (docs/architecture.md), read from the source itself."""

from __future__ import annotations

import ast
import graphlib
import importlib.metadata
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPOSITION_ROOTS = {Path("gateway/app.py"), Path("gateway/doors/server.py"), Path("logic/app.py")}

# package -> what it may import of ours
LAYERS: dict[str, set[str]] = {
    "protocol": set(),
    "process": set(),
    "conf": {"process"},
    "bus": {"protocol", "process"},
    "router": {"protocol", "process"},
    "store": {"protocol", "process"},
    "gateway": {"protocol", "process", "bus", "router"},
    "logic": {"protocol", "process", "bus", "router", "store"},
}
# the same within a package, folder by folder: what stands in it may import itself and these. "" is what stands above
# the folders.
ROOMS: dict[str, dict[str, set[str]]] = {
    "gateway": {
        "": set(),
        "clients": {""},
        "road": {"", "clients"},
        "sessions": {"", "clients", "road"},
        "doors/http": {"", "clients", "road", "sessions"},
        "doors": {"", "clients", "road", "sessions", "doors/http"},
        "doors/long_poll": {"", "clients", "road", "sessions", "doors", "doors/http"},
    },
    "logic": {
        "": set(),
        "delivery": {""},
        "handlers": {"", "handlers/*"},
        "handlers/people": {"", "handlers"},
        "handlers/messages": {"", "handlers"},
        "handlers/groups": {"", "handlers"},
        "handlers/conversations": {"", "handlers"},
        "workers": {"", "delivery", "handlers"},
        "workers/pool": {"", "delivery", "handlers", "workers"},
    },
    "bus": {"": set(), "memory": {""}, "rabbit": {""}},
    "router": {"": set(), "memory": {""}, "redis": {""}},
    "store": {"": {"engines"}, "engines": {""}, "tables": {""}},
    "ops": {
        "": {"servers"},
        "servers": {""},
        "cluster": {"", "servers"},
        "chat": {"", "servers", "cluster"},
        "backup": {"", "servers", "cluster"},
        "documents": {""},
    },
}
# outside library -> the only package that uses it
ONLY_USER = {
    "tornado": "gateway",
    "redis": "router",
    "pymysql": "store",
    "dbutils": "store",
    "sqlite3": "store",
    "pika": "bus",
    "openai": "logic",
}
OURS = {*LAYERS, "ops", "hongyan", "standalone", "sdk", "bench", "tests"}
IO_MODULES = {"socket", "select", "selectors", "ssl", "subprocess", "asyncio", "threading", "http", "urllib"}
DISTRIBUTIONS = importlib.metadata.packages_distributions()

SOURCES = sorted(path.relative_to(ROOT) for package in LAYERS for path in (ROOT / package).rglob("*.py"))
SDK = sorted(path.relative_to(ROOT) for path in (ROOT / "sdk/python/hongyan").rglob("*.py"))
USERS = sorted([*SOURCES, *SDK, *(path.relative_to(ROOT) for path in (ROOT / "ops").rglob("*.py"))])


class RuntimeImports(ast.NodeTransformer):
    """Drops what only the type checker imports."""

    def visit_If(self, node: ast.If) -> ast.If | None:
        return None if ast.unparse(node.test).endswith("TYPE_CHECKING") else node


def imported_modules(path: Path, *, at_runtime: bool = False) -> set[str]:
    """The dotted names that a file imports, wherever in the file it does."""
    found: set[str] = set()
    tree = ast.parse((ROOT / path).read_text())
    for node in ast.walk(RuntimeImports().visit(tree) if at_runtime else tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(path.parent.parts) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def imported_packages(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported_modules(path)}


def is_composition_root(path: Path) -> bool:
    return path.name == "__main__.py" or path in COMPOSITION_ROOTS


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__").removeprefix("sdk.python.")


MODULES = {module_name(path): path for path in USERS}


def room_of(path: Path) -> str:
    """The folder within its package that a file stands in."""
    return "/".join(path.parts[1:-1])


def test_every_layer_has_source() -> None:
    assert {path.parts[0] for path in SOURCES} == set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=str)
def test_a_layer_imports_only_the_layers_below(path: Path) -> None:
    layer = path.parts[0]
    allowed = LAYERS[layer] | {layer} | ({"conf"} if is_composition_root(path) else set())
    assert imported_packages(path) & OURS <= allowed


@pytest.mark.parametrize("path", [path for path in USERS if path.parts[0] in ROOMS], ids=str)
def test_a_room_imports_only_the_rooms_below(path: Path) -> None:
    package, room = path.parts[0], room_of(path)
    if is_composition_root(path):
        return
    found = {MODULES[name] for name in imported_modules(path, at_runtime=True) if name in MODULES}
    rooms = {room_of(other) for other in found if other.parts[0] == package}
    allowed = ROOMS[package][room] | {room}
    assert {other for other in rooms if other not in allowed and f"{other.partition('/')[0]}/*" not in allowed} == set()


@pytest.mark.parametrize("path", SDK, ids=str)
def test_the_sdk_imports_nothing_of_the_server(path: Path) -> None:
    assert not imported_packages(path) & (OURS - {"hongyan"})


@pytest.mark.parametrize("path", USERS, ids=str)
def test_an_outside_library_has_one_user(path: Path) -> None:
    foreign = {name for name in imported_packages(path) if ONLY_USER.get(name, path.parts[0]) != path.parts[0]}
    assert not foreign


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] == "protocol"], ids=str)
def test_the_protocol_does_no_io(path: Path) -> None:
    assert not imported_packages(path) & IO_MODULES


def test_the_session_knows_no_door_and_no_broker() -> None:
    assert not imported_packages(Path("gateway/clients/session.py")) & {"tornado", "pika", "asyncio", "bus", "router"}


@pytest.mark.parametrize("path", USERS, ids=str)
def test_whatever_is_imported_is_required(path: Path) -> None:
    required = {line.partition("==")[0].lower() for line in (ROOT / "requirements.txt").read_text().splitlines()}
    outside = imported_packages(path) - OURS - sys.stdlib_module_names
    assert not {name for name in outside if not {found.lower() for found in DISTRIBUTIONS.get(name, [])} & required}


def test_no_import_goes_in_a_circle() -> None:
    imports = {name: imported_modules(path, at_runtime=True) for name, path in MODULES.items()}
    graph = {name: (found & MODULES.keys()) - {name} for name, found in imports.items()}
    graphlib.TopologicalSorter(graph).prepare()
