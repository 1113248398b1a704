"""`python -m services.gateway` serves; with a word after it, it does what an operator asks."""

import sys

from services.gateway import main, operator

if __name__ == "__main__":
    if len(sys.argv) == 1:
        main.main()
    else:
        sys.exit(operator.main(sys.argv[1:]))
