"""The monitoring of a node: announcements on pub/sub, and the monitors that check its parts."""
