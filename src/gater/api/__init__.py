"""The API: its operations as values, the object that offers them, and its blocking twin."""
