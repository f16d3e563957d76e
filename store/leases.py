"""Work that one process of all does at a time, such as sending again what is due. Moments are by the store's clock."""

from __future__ import annotations

from store.transaction import Transaction


def take(tx: Transaction, name: str, holder: str, for_ms: int) -> bool:
    """Take or renew the lease `name`; False while another holder's runs."""
    now = tx.now_ms()
    tx.upsert("leases", ("name", "holder", "ends"), [(name, holder, 0)], key=("name",))
    sql = "UPDATE leases SET holder = %s, ends = %s WHERE name = %s AND (holder = %s OR ends <= %s)"
    return tx.execute(sql, (holder, now + for_ms, name, holder, now)) > 0


def give_up(tx: Transaction, name: str, holder: str) -> None:
    """Its holder stops: the next one need not wait."""
    tx.execute("UPDATE leases SET ends = 0 WHERE name = %s AND holder = %s", (name, holder))
