"""Our pages in Flower's own look: its templates, ours beside them, and three more tabs.

No template of Flower's is copied: its navigation is read when it is needed, and our
tabs are put after its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from tornado.template import Loader, Template

#: Names of pages and what their tabs say, in their order.
TABS: Final = (
    ("sessions", "Sessions"),
    ("proxies", "Proxies"),
    ("schedule", "Schedule"),
)
OURS: Final = Path(__file__).parent / "templates"
_NAVIGATION: Final = "navbar.html"
#: What Flower's last tab is known by.
_LAST: Final = "reverse_url('broker')"
_TAB: Final = """\
        <li class="nav-item">
          <a class="nav-link{{% if active_tab == '{name}' %}} active{{% end %}}"
            href="{{{{ reverse_url('{name}') }}}}"
            {{% if active_tab == '{name}' %}}aria-current="page"{{% end %}}>{label}</a>
        </li>
"""
_log = structlog.get_logger(__name__)


class Overlay(Loader):
    """Loads Flower's templates from *flower*, and ours."""

    def __init__(self, flower: str) -> None:
        super().__init__(flower)
        self._flower = Path(flower)

    def _create_template(self, name: str) -> Template:
        own = OURS / name
        if own.is_file():
            return Template(own.read_bytes(), name=name, loader=self)
        if name == _NAVIGATION:
            source = (self._flower / name).read_text("utf-8")
            return Template(with_tabs(source, TABS), name=name, loader=self)
        return super()._create_template(name)


def with_tabs(navigation: str, tabs: Sequence[tuple[str, str]]) -> str:
    """Return Flower's *navigation* with *tabs* after its last one.

    A navigation that is not as we know it stays as it is: what is behind our tabs can
    be reached by its address then.
    """
    last = navigation.find(_LAST)
    end = navigation.find("</ul>", last)
    if last < 0 or end < 0:
        _log.warning("tabs_not_added", why="the navigation of Flower has changed")
        return navigation
    added = "".join(_TAB.format(name=name, label=label) for name, label in tabs)
    return f"{navigation[:end].rstrip()}\n{added}      {navigation[end:]}"
