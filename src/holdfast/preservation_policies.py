"""The drop-in for Orbax's ``preservation_policies``: the same names and signatures, safe in every corner.

    from holdfast import preservation_policies

is the only line that changes. Each object can be handed to Orbax's own ``Checkpointer`` and ``CheckpointManager``.
"""

from __future__ import annotations

import datetime

from holdfast.policies.base import PreservationContext, PreservationPolicy
from holdfast.policies.calendar import LatestDuration
from holdfast.policies.combine import AnyPreservationPolicy
from holdfast.policies.count import LatestN, PreserveAll
from holdfast.policies.filters import CustomSteps
from holdfast.policies.metric import BestN
from holdfast.policies.spacing import EveryNSeconds, EveryNSteps, EveryNStepsClosest

__all__ = [
    "AnyPreservationPolicy",
    "BestN",
    "CustomSteps",
    "EveryNSeconds",
    "EveryNSteps",
    "EveryNStepsClosest",
    "LatestDuration",
    "LatestN",
    "PreservationContext",
    "PreservationPolicy",
    "PreserveAll",
    "datetime",
]
