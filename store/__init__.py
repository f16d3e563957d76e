"""What is remembered: MariaDB or MySQL, SQLite in standalone. The only user of pymysql, dbutils and sqlite3.

One file for each table, with functions of (tx, ...): they block, and run in the transaction of their caller. Each may
raise StoreAway, Contention or BadValue (store/errors.py); docstrings name what a function raises besides. A `pair` is a
key of two columns, such as (conversation, seq). Times are integer milliseconds since 1970 UTC.
"""
