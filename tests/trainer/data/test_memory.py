from __future__ import annotations

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.memory import require


def test_half_of_the_free_memory_may_be_used():
    require(500, (1, 10, 10), where="pets", free=100_000)
    with pytest.raises(DataError, match="501 images of 10x10 with 1 channel") as raised:
        require(501, (1, 10, 10), where="pets", free=100_000)
    assert raised.value.where == "pets"
    assert "--resize" in str(raised.value.hint)
