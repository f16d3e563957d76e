"""From login to goodbye: who may be connected, what a gateway knows of its users, an orderly end."""
