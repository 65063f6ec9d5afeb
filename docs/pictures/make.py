"""Make the pictures of what the callbacks make: ``python docs/pictures/make.py [NAME ...]``, all if none is named.

Each is of a training that takes place now. ``screens.py`` needs a terminal's system calls, and Chromium, whose path is
in the variable ``CHROMIUM``. What is in a picture is said in ``captions.yml``.
"""

from __future__ import annotations

import sys

from curves import CURVES
from screens import SCREENS


def main() -> None:
    """Make them."""
    makers = {maker.__name__: maker for maker in (*CURVES, *SCREENS)}
    chosen = sys.argv[1:] or list(makers)
    if unknown := set(chosen) - set(makers):
        raise SystemExit(f"there is no picture {', '.join(sorted(unknown))}: there are {', '.join(makers)}")
    for name in chosen:
        print(name)
        makers[name]()


if __name__ == "__main__":
    main()
