import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from secureapi.core.pages import Page, PageQuery, link_header
from support.each import each


@given(st.integers(0, 10**9), st.integers(1, 100))
def test_there_are_just_as_many_pages_as_the_items_need(total, per_page):
    pages = Page([], total, 1, per_page).pages
    assert (pages - 1) * per_page < total <= pages * per_page or (total, pages) == (0, 0)


def links(app, page, total, *, per_page=20, query="", path="/users"):
    """{relation: address} of the Link header."""
    with app.test_request_context(f"{path}?{query}"):
        header = link_header(Page([], total, page, per_page))["Link"]
    return {relation: address for address, relation in re.findall(r'<([^>]*)>; rel="(\w+)"', header)}


def test_a_page_in_the_middle_names_its_neighbours(bare_app):
    assert links(bare_app, 2, 60) == {
        "first": "?page=1&per_page=20",
        "prev": "?page=1&per_page=20",
        "next": "?page=3&per_page=20",
        "last": "?page=3&per_page=20",
    }


def test_the_first_page_has_none_before_it_and_the_last_none_after(bare_app):
    assert "prev" not in links(bare_app, 1, 60)
    assert "next" not in links(bare_app, 3, 60)


def test_an_empty_list_is_one_page(bare_app):
    assert links(bare_app, 1, 0) == {"first": "?page=1&per_page=20", "last": "?page=1&per_page=20"}


def test_a_page_beyond_the_end_leads_back_and_nowhere_else(bare_app):
    found = links(bare_app, 99, 60)
    assert found["last"] == "?page=3&per_page=20"
    assert "next" not in found
    assert "prev" not in found


def test_other_parameters_are_kept(bare_app):
    assert links(bare_app, 1, 60, query="q=a%26b&role=user&page=1&per_page=5")["next"] == "?q=a%26b&role=user&page=2&per_page=20"


@each("query", ["q=%22%3E%3Cscript%3E", "q=%0d%0aSet-Cookie:%20a=b", "q=%3E;%20rel=%22next%22", "%22%0a=1", "q=%e2%80%a8"])
def test_an_injector_of_headers_is_encoded(bare_app, query):
    with bare_app.test_request_context(f"/users?{query}"):
        header = link_header(Page([], 60, 1, 20))["Link"]
    assert header.isascii()
    assert header.isprintable()
    assert header.count("<") == header.count(">") == header.count("; rel=") == 3


@each("asked", [{"page": "0"}, {"page": "-1"}, {"per_page": "0"}, {"per_page": "101"}, {"page": "1e9"}, {"page": "100001"}, {"p": "1"}])
def test_a_page_nobody_needs_is_refused(asked):
    with pytest.raises(ValidationError):
        PageQuery().load(asked)


def test_without_a_wish_it_is_the_first_page_of_twenty():
    assert PageQuery().load({}) == {"page": 1, "per_page": 20}
