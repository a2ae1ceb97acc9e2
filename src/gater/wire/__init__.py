"""The protocol: frames, bundles of them, sessions that exchange them, and errors as codes."""
