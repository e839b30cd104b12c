"""Every error that Holdfast raises, and the exit code that each one means.

    HoldfastError                 1  something went wrong; nothing was dropped because of it
    ├── UsageError                2  the request makes no sense as written
    │   └── PolicyError           2  a policy that cannot be (also a ValueError)
    │       ├── PolicyTypeError   2  ... because of a type (also a TypeError)
    │       ├── PolicySyntaxError 2  ... because its text cannot be read; knows the column
    │       └── MetricError       2  a metric that no checkpoint has; lists those that there are
    ├── StoreError                1  a store could not do what was asked (chained to the cause)
    │   ├── NotFoundError         1  nothing there
    │   └── ExistsError           1  something there already, and it will not be overwritten
    ├── FormatError               1  a file of Holdfast's own (plan, state, journal) cannot be read
    ├── RefusedError              4  a guard said no; the message says how to mean it
    ├── LeaseError                1  a lease that could not be taken, or was lost
    └── LockedError               5  another pruner is at work here; names its owner

Each message says what was given, what is accepted, and what to write instead.
"""

from __future__ import annotations

from typing import ClassVar


class HoldfastError(Exception):
    """What went wrong? The base of all errors of Holdfast."""

    exit_code: ClassVar[int] = 1


class UsageError(HoldfastError):
    """What in the request makes no sense as written?"""

    exit_code: ClassVar[int] = 2


class PolicyError(UsageError, ValueError):
    """Which policy cannot be, and what to write instead?"""


class PolicyTypeError(PolicyError, TypeError):
    """Which argument of a policy has the wrong type?"""


class PolicySyntaxError(PolicyError):
    """Where does the text of a policy stop making sense? ``column`` counts from 0."""

    def __init__(self, message: str, text: str = "", column: int = 0) -> None:
        pointer = f"\n  {text}\n  {' ' * column}^" if text else ""
        super().__init__(message + pointer)
        self.text = text
        self.column = column

    def __reduce__(self) -> tuple[type[PolicySyntaxError], tuple[str]]:
        return (type(self), (str(self),))


class MetricError(PolicyError):
    """Which metric does no checkpoint have? The message lists those that there are."""


class StoreError(HoldfastError):
    """What could the store not do? The cause is chained."""


class NotFoundError(StoreError):
    """What is not there?"""


class ExistsError(StoreError):
    """What is there already, so that nothing was written over it?"""


class FormatError(HoldfastError):
    """Which file of Holdfast's own cannot be read, and what is wrong with it?"""


class RefusedError(HoldfastError):
    """Which guard said no, and how does one say that one means it?"""

    exit_code: ClassVar[int] = 4


class LeaseError(HoldfastError):
    """Which lease could not be taken, or was lost?"""


class LockedError(HoldfastError):
    """Who is pruning this run at the moment?"""

    exit_code: ClassVar[int] = 5


class MetricWarning(UserWarning):
    """On which checkpoint could a metric not be read? It was kept."""
