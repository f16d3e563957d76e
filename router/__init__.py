"""Where everybody is: soft state in Redis, or in memory in standalone. The only user of redis."""
