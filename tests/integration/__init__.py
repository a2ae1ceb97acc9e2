"""Real servers, real sockets: the parts together."""
