"""The harness's own errors: each message says what was got, what is allowed and what to do."""

from __future__ import annotations


class HarnessError(Exception):
    """Anything that the harness refuses or cannot finish; its message is one line for people."""


class InvalidInput(HarnessError, ValueError):
    """A configuration, option, data file or claim that does not make sense."""


class Unreadable(InvalidInput):
    """A stored report, baseline or evidence file that is missing, cut short, of another schema, or not what it was written as."""


class Incomparable(HarnessError):
    """Two reports that have nothing to compare; never a success."""


class NotFinite(HarnessError, ArithmeticError):
    """NaN or infinity in data, loss, Jacobian or decomposition; names the step and the value."""


class WrongPrecision(HarnessError, ArithmeticError):
    """Numbers do not have the dtype that was declared: nothing computed with them is what it is called."""


class DecompositionFailed(HarnessError, ArithmeticError):
    """A decomposition did not pass its checks; the message carries the measured numbers."""


class StoreWarning(UserWarning):
    """The store could not be used as wanted; the run goes on without that entry."""


class NotRun(HarnessError):
    """Raised by a claim that cannot be judged here for a declared reason (never a success)."""


class TooLarge(NotRun, InvalidInput):
    """A network that is too large for what was asked of it; claims that need this are not judged."""


class EmptyOutcome(HarnessError):
    """Raised by a claim whose runs finished but left nothing to measure; the claim is NOT_RUN by failure."""
