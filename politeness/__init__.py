"""How often all workers together may ask one domain."""

from politeness.limits import DomainLimits, Slot, open_limits

__all__ = ["DomainLimits", "Slot", "open_limits"]
