"""The words and rules of event stores: pure values, no I/O, no clock."""
