"""Groups: changes of their members, and what members may know of them."""
