"""What the shell verbs in scripts/ run: set-up, servers, standalone, the cluster, the terminal client."""
