"""``python -m harness``: its commands, or one line where what they need is not installed."""

import sys

REMEDY = """`. .nox/claims/bin/activate` once `nox -s claims` made it, or pip install "training-jacobian-claims[claims]\""""

try:
    from harness.commands import main
except ModuleNotFoundError as error:
    print(f"error: `python -m harness` needs {error.name}, which this Python does not have: {REMEDY}", file=sys.stderr)
    sys.exit(2)  # as for a wrong command line

if __name__ == "__main__":
    sys.exit(main())
