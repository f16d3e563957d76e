"""What each op does: plain functions of (transaction or services, work) that return outcomes."""
