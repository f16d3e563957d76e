"""The pool worker: one thread owns the bus, those of lanes carry out commands."""
