"""From what became of a command to one message for each gateway concerned."""
