"""The servers that others wrote, each configured and run as a private process."""
