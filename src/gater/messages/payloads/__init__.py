"""What each kind of system message says: declarations of fields, one module for each pub/sub instance."""
