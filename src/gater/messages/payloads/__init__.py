"""The kinds of system messages: declarations of fields, one module for each pub/sub instance."""
