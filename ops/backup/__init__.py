"""Backups of the store while it is used, and how one is put back."""
