"""How clients come in: WebSocket, TCP, long-poll, HTTP. Each carries bytes to and from what all doors share."""
