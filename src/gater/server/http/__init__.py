"""The routes of HTTP, by noun, and what they have in common."""
