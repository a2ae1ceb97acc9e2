"""What a node says about itself: log lines, metrics and health."""
