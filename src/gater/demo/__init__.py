"""The greenhouse demo: a node, producers that measure and regulate greenhouses, and an observer that watches."""
