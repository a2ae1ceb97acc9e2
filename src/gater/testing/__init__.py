"""Tools for tests of applications on Gater: a store in memory, and a real server."""
