"""The bus of a cluster: RabbitMQ."""
