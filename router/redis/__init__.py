"""The router in Redis, for a cluster."""
