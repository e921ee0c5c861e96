"""What all applications of a run have in common, worked out once: a run builds more than a thousand, and each costs 60 ms by itself.

Nothing that an application does is changed, only when it is worked out:

- Werkzeug writes and compiles a piece of Python for each path. What comes out depends on nothing but the path.
- flask-smorest gathers the API's description. Here it does so when somebody asks for it; what it finds wrong is an error then.
- SQLAlchemy writes each statement of an engine anew. What it wrote is good for every engine on the same kind of database.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from apispec import APISpec
from flask_smorest import Api, Blueprint
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

_compile_builder = Rule._compile_builder
_register_responses = Api._register_responses
_register_views_in_doc = Blueprint.register_views_in_doc
_to_dict = APISpec.to_dict
_builders: dict[Any, Callable[..., tuple[str, str]]] = {}
_PUT_OFF, _CACHE = "_put_off_by_the_tests", "_shared_by_the_tests"


def share_common_work() -> None:
    """From now on, in this process. Doing it again changes nothing."""
    Rule._compile_builder = _compile_once
    Api._register_responses = lambda api: _put_off(api.spec, partial(_register_responses, api))
    Blueprint.register_views_in_doc = _describe_later
    APISpec.to_dict = _describe_now
    Engine._compiled_cache = property(lambda engine: vars(engine)[_CACHE], _share_statements)


def _compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002 - Werkzeug's signature
    if rule.defaults:
        return _compile_builder(rule, append_unknown)
    key = (rule.rule, tuple(rule._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(rule, append_unknown)
    return _builders[key]


def _describe_later(blueprint: Blueprint, api: Any, app: Any, spec: APISpec, **options: Any) -> None:
    _put_off(spec, partial(_register_views_in_doc, blueprint, api, app, spec, **options))


def _put_off(spec: APISpec, describe: Callable[[], object]) -> None:
    vars(spec).setdefault(_PUT_OFF, []).append(describe)


def _describe_now(spec: APISpec) -> dict[str, Any]:
    for describe in vars(spec).pop(_PUT_OFF, []):
        describe()
    return _to_dict(spec)


class _Statements(LRUCache[Any, Any]):
    """Statements as they were written for one kind of database. SQLAlchemy's keys begin with the dialect of one engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, written: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), written)


_statements = _Statements(5000)


def _share_statements(engine: Engine, made: object) -> None:
    vars(engine)[_CACHE] = None if made is None else _statements
