"""What tests of applications on Gater need: a store in memory, and a real server."""
