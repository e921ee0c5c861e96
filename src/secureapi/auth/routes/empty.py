"""Answers without a body."""

from http import HTTPStatus

from flask import Response


def empty_answer(status: HTTPStatus) -> Response:
    """Nothing but a status: no media type for what is not there either."""
    answer = Response(status=status)
    del answer.headers["Content-Type"]
    return answer
