"""`python -m gater` is the command `gater`."""

from gater.cli.main import main

if __name__ == "__main__":
    main()
