"""The table of handlers against the registry of ops, and the documents that are made from the registry."""

from __future__ import annotations

import inspect
import typing

import pytest

from logic.handlers.table import HANDLERS
from logic.scope import Scope
from logic.services import Services
from logic.workers.kinds import KINDS, kind_of
from protocol.ops import OPS, ORDERED, WORKERS, Op


def test_every_op_has_its_handler() -> None:
    lacking, unknown = sorted(OPS.keys() - HANDLERS.keys()), sorted(HANDLERS.keys() - OPS.keys())
    assert not lacking, f"a row in logic/handlers/table.py is missing for {', '.join(lacking)}"
    assert not unknown, f"a row in protocol/ops.py is missing for {', '.join(unknown)}, or its handler's should go"


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_a_handler_takes_what_its_kind_of_worker_has(op: Op) -> None:
    """An op with an owner gets the transaction over its conversations, any other the services."""
    handler = HANDLERS[op.name]
    hints = typing.get_type_hints(handler.function)
    _, scope = (hints[name] for name in inspect.signature(handler.function).parameters)
    assert scope is (Scope if op.worker == ORDERED else Services)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.ephemeral], ids=lambda op: op.name)
def test_what_leaves_nothing_in_the_store_takes_no_cid(op: Op) -> None:
    assert not op.writes


def test_every_kind_of_worker_that_an_op_needs_is_there() -> None:
    assert KINDS.keys() >= WORKERS
    prefixes = [kind.prefix for kind in KINDS.values()]
    assert len(set(prefixes)) == len(prefixes) and "g" not in prefixes


def test_a_process_is_known_by_its_name() -> None:
    assert {
        name: kind.name if (kind := kind_of(name)) else None for name in ("w1", "w12", "p1", "g1", "nginx", "w")
    } == {
        "w1": "ordered",
        "w12": "ordered",
        "p1": "parallel",
        "g1": None,
        "nginx": None,
        "w": None,
    }
