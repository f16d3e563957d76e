"""The router of standalone, in this process."""
