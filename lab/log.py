"""Who came to the lab's site, to which page, and from where."""

log: list[tuple[str, int, str]] = []
