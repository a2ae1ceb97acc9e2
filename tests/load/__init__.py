"""Nodes under load: what one caller does to the others, measured from outside."""
