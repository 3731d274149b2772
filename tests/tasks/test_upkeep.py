"""What the upkeep tasks refuse."""

import pytest

from limpet.errors import InvalidJob
from tasks.upkeep import cleanup_expired_sessions


@pytest.mark.parametrize("size", [-1, 0, 501, "50", True, 1.5])
def test_a_batch_has_bounds(size: object) -> None:
    with pytest.raises(
        InvalidJob, match=r"^batch_size: must be a number from 1 to 500"
    ):
        cleanup_expired_sessions(batch_size=size)
