"""Load and figures: a private cluster, a load generator in a process of its own, and a table of what was measured."""
