"""``python -m cthulhu`` is the command line."""

from cthulhu_core.cli.main import main

raise SystemExit(main())
