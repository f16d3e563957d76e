"""The list of all files in docs/architecture.md, from what each says of itself: `python -m ops.documents.file_map`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from ops.documents.generated import replaced
from ops.templates import ROOT

DOCUMENT = ROOT / "docs" / "architecture.md"
SECTION = "files: made by python -m ops.documents.file_map"
PACKAGES = (
    "protocol",
    "process",
    "bus",
    "router",
    "store",
    "gateway",
    "logic",
    "conf",
    "ops",
    "sdk/python/hongyan",
    "bench",
)
OTHERS = ("nginx/lua/*.lua", "scripts/*.sh", "store/schema/*.sql", "tests/faults/*.py", "tests/fuzz/*.py", "tests/*.py")


def _files() -> Iterator[Path]:
    yield ROOT / "standalone.py"
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"), key=lambda path: (path.parent, path.name))
    for pattern in OTHERS:
        yield from sorted(ROOT.glob(pattern))


def _says(path: Path) -> str:
    """The first sentence that a file says of itself."""
    text = path.read_text()
    if path.suffix == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
    else:
        lines = [line.lstrip("#- ").rstrip() for line in text.splitlines() if line[:1] in "#-" and line[:2] != "#!"]
        said = " ".join(lines[:3])
    sentence = said.partition("\n\n")[0].replace("\n", " ").partition(". ")[0]
    return sentence.rstrip(".").replace("|", "\\|")


def file_map() -> str:
    """`- folder`, and below it `file`: what it says, a line each."""
    lines: list[str] = []
    folder = Path()
    for path in _files():
        name = path.relative_to(ROOT)
        if name.name == "__init__.py":
            continue
        if name.parent != folder:
            folder = name.parent
            lines.append(f"\n`{folder}/`\n")
        lines.append(f"- `{name.name}`: {_says(path)}")
    return "\n".join(lines).strip() + "\n"


def with_map(text: str) -> str:
    """The document with the files of today."""
    return replaced(text, SECTION, file_map())


def main(document: Path = DOCUMENT) -> int:
    document.write_text(with_map(document.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
