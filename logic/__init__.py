"""What each command does: workers take commands off the bus, decide, store, and send answers and pushes to gateways."""
