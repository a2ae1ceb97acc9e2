"""The gateway: operations carried out on the stores of this node."""
