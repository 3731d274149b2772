"""A key is retired: sealed anew, the old one is not needed any more."""

import json
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from tests.conftest import Stack

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
LINE = "http://me:S3cret@10.0.0.1:80"


def test_after_sealing_the_old_key_can_go(stack: "Stack") -> None:
    stack.environment["LIMPET_STATE_KEYS"] = OLD
    for pool in ("one", "two"):
        stack.manage("proxies", "import", "-", "--pool", pool, stdin=LINE)
    command = ("proxies", "export", "--with-passwords", "--format", "lines")

    stack.environment["LIMPET_STATE_KEYS"] = f"{NEW},{OLD}"
    sealed = stack.manage("seal", "--json")
    stack.environment["LIMPET_STATE_KEYS"] = NEW
    done = stack.manage(*command, "--pool", "two")
    stack.environment["LIMPET_STATE_KEYS"] = OLD
    lost = stack.manage(*command, "--pool", "two")

    assert json.loads(sealed.stdout) == {"one": 1, "two": 1}
    assert done.stdout.strip() == LINE
    assert lost.returncode == 1
    assert "sealed with a key that LIMPET_STATE_KEYS does not hold" in lost.stderr


def test_without_a_key_nothing_is_sealed(stack: "Stack") -> None:
    empty = stack.manage("seal")
    stack.manage("proxies", "import", "-", stdin=LINE)

    done = stack.manage("seal")

    assert (empty.returncode, done.returncode) == (0, 1)
    assert "nothing to seal" in empty.stdout
    assert "LIMPET_STATE_KEYS: there is no key to seal with" in done.stderr
