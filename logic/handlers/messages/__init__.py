"""What is written into conversations, and how it is read."""
