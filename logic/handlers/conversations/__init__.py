"""Conversations as one user sees them: the list of them, read cursors, and what a client has missed."""
