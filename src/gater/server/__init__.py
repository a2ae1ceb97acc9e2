"""What listens: HTTP/JSON and RPC on one port, and who may do what."""
