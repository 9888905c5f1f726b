"""`python -m normkit.cli`: the command, where it is not on the path."""

from normkit.cli import main

if __name__ == "__main__":
    main()
