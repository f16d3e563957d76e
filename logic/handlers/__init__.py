"""What each op does: plain functions of (work, scope), listed in table.py, that return outcomes."""
