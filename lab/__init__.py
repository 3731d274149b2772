"""A small real site and real proxies on loopback, for the demo, tests and benches."""

from lab.lab import Lab, ProxyProcess, Visit

__all__ = ["Lab", "ProxyProcess", "Visit"]
