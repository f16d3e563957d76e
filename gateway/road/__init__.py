"""Commands up to the workers, and what comes down from them."""
