"""`python -m ndgrad`: the command line."""

from ndgrad.cli.main import main

if __name__ == "__main__":
    main()
