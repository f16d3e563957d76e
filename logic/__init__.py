"""What each command does: workers that take commands off the bus, decide, store, and send to gateways."""
