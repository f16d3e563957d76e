"""Decisions of a deployment that handlers go by, from conf/sections.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """`recall_s`: for how many seconds a sender may recall a message. `max_groups`: in how many a user may be."""

    recall_s: int = 120
    max_groups: int = 2000
