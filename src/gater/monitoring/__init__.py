"""What a node says of itself: announcements on pub/sub, and the monitors that check its parts."""
