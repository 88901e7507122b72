"""`python -m mlsh`."""

from mlsh.cli import main

if __name__ == "__main__":
    main()
