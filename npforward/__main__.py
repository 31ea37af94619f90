"""`python -m npforward` is the command line."""

import sys

from npforward.cli import main

sys.exit(main())
