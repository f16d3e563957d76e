"""Sockets in, sockets out: holds connections, checks frames, forwards commands. The only user of tornado."""
