"""The benchmark programs: Gater and its peers measured side by side, in one run, on real servers."""
