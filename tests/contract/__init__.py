"""What the API promises, whichever way one comes in."""
