"""The owner's door: JSON-RPC 2.0 over HTTP and WebSocket on one loopback port."""
