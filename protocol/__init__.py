"""What crosses the wire and the bus: models, frames, ops, errors, ids. Pure: no I/O, imports nothing of ours."""
