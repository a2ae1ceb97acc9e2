"""The settings of a node: what they are, and where they come from."""
