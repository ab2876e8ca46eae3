"""``python -m lab.engine``: Pulumi programs without the Pulumi CLI, for the lab.

Exit codes: 0 done; 1 something is wrong, said in one message; 130 cancelled by Ctrl-C.
"""

import sys

from lab.engine.cli import main

if __name__ == "__main__":
    sys.exit(main())
