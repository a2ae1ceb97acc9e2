"""The server: HTTP/JSON and RPC on one port, with authentication and permissions."""
