"""`python -m moonbase`, and what the script `moonbase` calls."""

import os
import sys


def start() -> None:
    """Ctrl-C is a way to end a program also while it is loaded."""
    _open_streams()
    try:
        from moonbase.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)
    main()


def _open_streams() -> None:
    """Whoever starts us may have closed some (`2>&-`): Python then has None, and the next file that is opened would
    take the number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


if __name__ == "__main__":
    start()
