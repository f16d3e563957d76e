"""How processes talk: queues of RabbitMQ, or of memory in standalone. The only user of pika."""
