"""What every address of HTTP has in common; single calls of `/api`, and operations."""
