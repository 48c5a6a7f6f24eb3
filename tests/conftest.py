"""What every test may ask for: the shared real data, which is not part of the repository."""

from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data beside the checkout; skip where it is absent."""
    if not (_SHARED / "data").is_dir():
        pytest.skip("../shared/data is not beside this checkout")
    return _SHARED / "data"
