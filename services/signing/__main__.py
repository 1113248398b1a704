"""`python -m services.signing`: the service, or one of the commands that people give it."""

import sys

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["verify", *arguments]:
            from services.signing.operator import verify

            sys.exit(verify(arguments))
