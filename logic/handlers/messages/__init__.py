"""Messages: what is written into conversations, and how it is read."""
