"""The cluster on this machine: what it consists of, how it goes up and down."""
