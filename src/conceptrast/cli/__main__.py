"""The command ``conceptrast``, also as ``python -m conceptrast.cli``."""

from conceptrast.base.memory import restart_without_caches


def program() -> None:
    """Run the command line in a process whose memory is set up for large tensors."""
    restart_without_caches()
    from conceptrast.cli import main

    main()


if __name__ == "__main__":
    program()
