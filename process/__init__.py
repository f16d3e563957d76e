"""What every process of ours begins with: its logs, its files' modes, its signals, its threads and tasks."""
