"""The command line: what people do with pools, proxies and sessions from a shell."""

from cli.main import app

__all__ = ["app"]
