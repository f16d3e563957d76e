"""What is measured, one figure a file: how the load is run, and what of it is compared with what."""
