"""Faults under load: what was done is written down, and a checker compares it with what is stored."""
