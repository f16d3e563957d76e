"""Who is connected: connections and their state, what waits to be written, how a push finds them. Knows no door."""
