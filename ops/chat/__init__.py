"""A terminal client, so that a person can chat with a person."""
