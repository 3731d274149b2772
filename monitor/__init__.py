"""What Flower shows, and under which conditions it may be reached."""

from monitor.guard import check_exposure, set_defaults

__all__ = ["check_exposure", "set_defaults"]
