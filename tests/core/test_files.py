"""Random IDs that users type."""

from app.core import new_id


def test_ids_can_be_typed_as_an_argument() -> None:
    ids = {new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert all(one.isascii() and one.isalnum() and len(one) == 12 for one in ids)
