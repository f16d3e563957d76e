"""The workers: in which order, transaction and thread commands are carried out, and what happens when that fails."""
