"""``python -m conceptrast.cli``: the same as the command ``conceptrast``."""

from conceptrast.cli import main

if __name__ == "__main__":
    main()
