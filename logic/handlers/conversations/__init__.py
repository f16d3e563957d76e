"""Conversations as one user sees them: lists, cursors, what was missed."""
