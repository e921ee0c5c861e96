"""Which tables can have owners: those whose ids are what stands in an address."""

import pytest
from sqlalchemy import Integer, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from secureapi.security.ownership import Ownership


def owned(*keys):
    """A table with these keys."""

    class Own(DeclarativeBase):
        pass

    columns = {f"key_{number}": mapped_column(key, primary_key=True) for number, key in enumerate(keys)}
    names = {"__tablename__": "things", "__annotations__": {"owner_id": Mapped[str]}}
    return type("Thing", (Own,), names | columns | {"owner_id": mapped_column(Uuid(as_uuid=False))})


@pytest.mark.parametrize("keys", [(Integer(),), (Uuid(as_uuid=True),), (String(10), String(10))], ids=["number", "object", "two"])
def test_a_key_that_an_address_cannot_name_is_found_when_the_code_is_read(keys):
    model = owned(*keys)

    with pytest.raises(TypeError, match="Thing wants one primary key"):
        Ownership(model=model, owner=model.owner_id)


@pytest.mark.parametrize("key", [Uuid(as_uuid=False), String(20)], ids=["uuid", "text"])
def test_a_key_that_is_text_will_do(key):
    model = owned(key)

    assert Ownership(model=model, owner=model.owner_id).model is model
