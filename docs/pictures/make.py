"""Make the pictures of the callbacks: ``python docs/pictures/make.py [NAME ...]``, all of them by default.

Each picture shows a real training. ``screens.py`` needs pseudo-terminals, and Chromium at the path in the environment
variable ``CHROMIUM``. The captions are in ``captions.yml``.
"""

from __future__ import annotations

import sys

from curves import CURVES
from screens import SCREENS


def main() -> None:
    """Make the pictures."""
    makers = {maker.__name__: maker for maker in (*CURVES, *SCREENS)}
    chosen = sys.argv[1:] or list(makers)
    if unknown := set(chosen) - set(makers):
        raise SystemExit(f"there is no picture {', '.join(sorted(unknown))}: there are {', '.join(makers)}")
    for name in chosen:
        print(name)
        makers[name]()


if __name__ == "__main__":
    main()
