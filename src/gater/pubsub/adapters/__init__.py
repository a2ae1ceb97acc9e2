"""Ways of carrying messages to other processes and from them."""
