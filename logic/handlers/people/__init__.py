"""Accounts, sessions, profiles and friends."""
