"""A browser in a worker: pages of sessions, through their proxies."""
