"""The answers that flask-smorest describes in every API, one for each status there is, put off like its views: see support/building.py."""

from functools import partial

from flask_smorest import Api

from support.building import _PUT_OFF

_register_responses = Api._register_responses


def put_off_responses() -> None:
    """From now on, in this process: they are described when somebody asks for the description, which most tests never do."""
    Api._register_responses = _describe_responses_later


def _describe_responses_later(api: Api) -> None:
    vars(api.spec).setdefault(_PUT_OFF, []).append(partial(_register_responses, api))
