"""The parts of documents that are made from the code are those of today."""

from __future__ import annotations

import pytest

from ops.documents import file_map, op_table
from ops.documents.generated import replaced


def test_the_protocol_lists_the_ops_of_the_registry() -> None:
    text = op_table.DOCUMENT.read_text()
    assert op_table.with_table(text) == text, "run: var/venv/bin/python -m ops.documents.op_table"


def test_the_architecture_lists_every_file() -> None:
    text = file_map.DOCUMENT.read_text()
    assert file_map.with_map(text) == text, "run: var/venv/bin/python -m ops.documents.file_map"


def test_every_file_says_what_it_is() -> None:
    silent = [
        line for line in file_map.file_map().splitlines() if line.startswith("- ") and not line.partition(": ")[2]
    ]
    assert silent == []


def test_only_what_stands_between_the_comments_is_replaced() -> None:
    text = "before\n<!-- ops: made by x -->\nold\n<!-- /ops -->\nafter\n"
    made = replaced(text, "ops: made by x", "new\n")
    assert made == text.replace("old", "new")
    with pytest.raises(ValueError, match="lacks"):
        replaced(made, "files: made by y", "new\n")
