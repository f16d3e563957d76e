"""What a deployment has decided that handlers go by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """`recall_s`: how long a sender may take a message back."""

    recall_s: int = 120
