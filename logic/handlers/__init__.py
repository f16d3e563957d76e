"""What each op does: functions of (work, scope) that return outcomes, listed in table.py.

Of an op with a key `scope` is a Scope: the transaction over conversations that the worker owns, on its one thread. Of
another op it is the Services; the handler runs in any thread, and blocks on the store. A refusal is raised as ImError;
docstrings name its codes. StoreError is left to the worker, which decides whether to try again.
"""
