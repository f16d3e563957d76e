"""Commands go up to the workers; answers, pushes and deltas come down from them."""
