"""The store: machine, log, readers, tail and files, each by itself."""
