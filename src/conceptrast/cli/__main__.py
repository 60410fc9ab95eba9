"""The command ``conceptrast``, also as ``python -m conceptrast.cli``."""

from conceptrast.base.environment import restart_with_environment


def program() -> None:
    """Run the command line in a process that has its environment variables."""
    restart_with_environment()
    from conceptrast.cli import main

    main()


if __name__ == "__main__":
    program()
