"""`python -m mlsh.demo`: see `mlsh.demo.story`; with `bisect`, `mlsh.demo.hunt`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["bisect"]:
        from mlsh.demo.hunt import main as hunt

        sys.exit(hunt())
    from mlsh.demo.story import main

    sys.exit(main())
