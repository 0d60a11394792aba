"""Whether a submission keeps the rules that no score shows: each query answered by itself, and the same way twice."""

from podium.audit.conduct import GROUPS, audit
from podium.audit.findings import Audit, Check, Difference, Kind, Outcome

__all__ = ["GROUPS", "Audit", "Check", "Difference", "Kind", "Outcome", "audit"]
