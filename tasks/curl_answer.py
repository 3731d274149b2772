"""An answer, put together from what libcurl calls back with."""

from dataclasses import dataclass, field
from typing import Final

from tasks.fetching import Request
from tasks.hops import cap

#: What libcurl takes from a write callback for "no more".
_ENOUGH: Final = 0xFFFFFFFF


@dataclass(slots=True)
class Answer:
    """What came so far: *whole* headers or not, and *enough* of the body or not."""

    request: Request
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    enough: bool = False

    def head(self, raw: bytes) -> int:
        """Take a line of the head."""
        line = raw.decode("latin-1").strip()
        if line.startswith("HTTP/") and ":" not in line.partition(" ")[0]:
            self.status, self.whole = int(line.split()[1]), False
            self.headers.clear()
            self.set_cookies.clear()
        elif not line:
            self.whole = True
        elif ":" in line:
            name, _, value = line.partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "set-cookie":
                self.set_cookies.append(value)
            before = self.headers.get(name)
            # libcurl refuses a redirect to two places; one may be named twice.
            if not (name == "location" and before == value):
                self.headers[name] = f"{before}, {value}" if before else value
        return len(raw)

    def more(self, raw: bytes) -> int:
        """Take a piece of the body; say when it is enough."""
        self.body += raw
        if len(self.body) <= cap(self.request, self.status, self.headers):
            return len(raw)
        self.enough = True
        return _ENOUGH
