"""From the outcomes of commands to one message for each gateway that they concern, and to the queues of others."""
