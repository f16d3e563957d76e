"""A client of Hongyan: connections by any door, an outbox that loses nothing, the order of messages."""
