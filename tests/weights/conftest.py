"""A server of weights on this machine, for the tests of all that downloads."""

import pytest

from tests.helpers.weight_server import serving


@pytest.fixture
def server():
    with serving() as made:
        yield made
