"""Following a store: what is stored already, then what is new."""
