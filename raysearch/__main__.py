"""`python -m raysearch`: run the command line and exit with its code."""

import sys

from raysearch.cli import main

sys.exit(main())
