"""The figures of a gateway, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from gateway.loop_counter import LoopCounter

CONNECTIONS = Gauge("hongyan_connections", "Open connections, by door", ["door"])
HTTP_SOCKETS = Gauge("hongyan_http_sockets", "Open sockets of HTTP that are no WebSockets, idle ones among them")
FRAMES_IN = LoopCounter("hongyan_frames_received", "Frames from clients")
FRAMES_OUT = LoopCounter("hongyan_frames_sent", "Frames to clients")
TRANSIENTS_DROPPED = LoopCounter("hongyan_transients_dropped", "Transient frames not sent: something was queued")
PUSHES_SKIPPED = LoopCounter("hongyan_pushes_skipped", "Pushes not sent: a connection was far behind")
GONE = LoopCounter("hongyan_newcomers_gone", "Newcomers who left before they were let in")
CLOSES = Counter("hongyan_closes", "Connections closed by us, by code", ["code"])
BATCH_COMMANDS = Histogram("hongyan_uplink_batch_commands", "Commands in a batch", buckets=(1, 3, 10, 30, 100, 300))
HOLES = Counter("hongyan_link_holes", "Times that something sent to this gateway was missed, by reason", ["reason"])
PENDING = Gauge("hongyan_commands_pending", "Commands without an answer")
