"""What takes commands off the bus: in which order, in which transaction or thread, and what happens when that fails."""
