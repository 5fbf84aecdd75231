"""`python -m node` is `tally`."""

from node.cli import main

if __name__ == "__main__":
    main()
