"""The bus of standalone: queues in this process."""
