"""The table of ops in docs/protocol.md, made from the registry: `python -m ops.documents.op_table` writes it anew."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from ops.documents.generated import replaced
from ops.templates import ROOT
from protocol.ops import CLIENTS, OPS, ORDERED, Caller, Op

DOCUMENT = ROOT / "docs" / "protocol.md"
SECTION = "ops: made by python -m ops.documents.op_table"
HEAD = "| op | arguments | cost | where it runs |\n|---|---|---|---|\n"


def _arguments(op: Op) -> str:
    """The names of its arguments; * where one may be left out."""
    fields = msgspec.structs.fields(op.args)
    return ", ".join(field.encode_name + ("" if field.required else "\\*") for field in fields) or "-"


def _remarks(op: Op) -> str:
    remarks = []
    if Caller.ANYONE in op.callers:
        remarks.append("needs no token")
    if op.ephemeral:
        remarks.append("leaves nothing in the store")
    if op.every_s:
        remarks.append(f"once in {op.every_s:g} s")
    remarks += [f"not over {door}" for door in sorted(op.not_over)]
    where = "with the conversation's owner" if op.worker == ORDERED else op.worker
    return "; ".join([where, *remarks])


def table() -> str:
    """A row for each op that a client may ask for."""
    of_clients = [op for op in OPS.values() if op.callers & CLIENTS]
    return HEAD + "".join(f"| `{op.name}` | {_arguments(op)} | {op.cost} | {_remarks(op)} |\n" for op in of_clients)


def with_table(text: str) -> str:
    """The document with the table of today."""
    return replaced(text, SECTION, table())


def main(document: Path = DOCUMENT) -> int:
    document.write_text(with_table(document.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
