"""Who may enter is said once, and in words that there are."""

import pytest

from secureapi.security.guard import Access, access_of, for_clients, public, requires, requires_any, signed_in
from secureapi.security.permissions import Permission

WORDS = {"public": public, "signed in": signed_in, "clients": for_clients, "all": requires(Permission.ADMIN_READ)}


@pytest.mark.parametrize("outer", WORDS)
@pytest.mark.parametrize("inner", WORDS)
def test_a_second_word_does_not_open_what_the_first_keeps_shut(outer, inner):
    def view():
        return ""

    WORDS[inner](view)
    if outer == inner:
        assert WORDS[outer](view) is view
        return
    with pytest.raises(TypeError, match="says already who may enter"):
        WORDS[outer](view)


@pytest.mark.parametrize("word", [requires, requires_any])
def test_a_permission_that_there_is_not_is_found_before_anybody_knocks(word):
    with pytest.raises(ValueError, match="content:reads"):
        word("content:reads")
    assert access_of(requires("content:read")(lambda: "")) == Access(permissions=frozenset({Permission.CONTENT_READ}))
