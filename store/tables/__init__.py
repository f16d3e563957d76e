"""What is remembered, a file for each table or view of several: rows as tuples, functions that read and write them.

A function is given the transaction that it is part of, and raises what store/__init__.py says.
"""
