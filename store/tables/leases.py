"""Leases on work that one process at a time does, such as sending again what is due. Times are by the store's clock."""

from __future__ import annotations

from store.transaction import Transaction


def take(tx: Transaction, name: str, holder: str, for_ms: int) -> bool:
    """Take or renew the lease `name` for `for_ms` milliseconds; False while another holder has it. Two holders who try
    at once wait for each other's transaction."""
    now = tx.now_ms()
    tx.upsert("leases", ("name", "holder", "ends"), [(name, holder, 0)], key=("name",))
    sql = "UPDATE leases SET holder = %s, ends = %s WHERE name = %s AND (holder = %s OR ends <= %s)"
    return tx.execute(sql, (holder, now + for_ms, name, holder, now)) > 0


def is_held(tx: Transaction, name: str) -> bool:
    """Whether anybody has the lease `name`: one statement that writes nothing."""
    return tx.row(f"SELECT 1 FROM leases WHERE name = %s AND ends > {tx.clock}", (name,)) is not None


def give_up(tx: Transaction, name: str, holder: str) -> None:
    """End the lease `name`, if `holder` has it: another need not wait until it runs out."""
    tx.execute("UPDATE leases SET ends = 0 WHERE name = %s AND holder = %s", (name, holder))
