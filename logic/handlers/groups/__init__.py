"""Groups: who is in them, and what members may know."""
