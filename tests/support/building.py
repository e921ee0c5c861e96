"""What all applications of a run have in common, worked out once: a run builds more than a thousand, and each costs 60 ms by itself.

Nothing that an application does is changed, only when it is worked out:

- Werkzeug writes and compiles a piece of Python for each path. What comes out depends on nothing but the path.
- Jinja makes Python of each template of a message, for each application that sends one. It comes out the same.
- SQLAlchemy writes each statement of an engine anew. What it wrote is good for every engine on the same kind of database.
"""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

_compile_builder = Rule._compile_builder
_builders: dict[Any, Callable[..., tuple[str, str]]] = {}
_compile_template = Environment.compile
_templates: dict[Any, Any] = {}
_CACHE = "_shared_by_the_tests"


def share_common_work() -> None:
    """From now on, in this process. Doing it again changes nothing."""
    Rule._compile_builder = _compile_once
    Environment.compile = _compile_template_once
    Engine._compiled_cache = property(lambda engine: vars(engine)[_CACHE], _share_statements)


def _compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002 - Werkzeug's signature
    if rule.defaults:
        return _compile_builder(rule, append_unknown)
    key = (rule.rule, tuple(rule._trace), append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(rule, append_unknown)
    return _builders[key]


def _compile_template_once(
    environment: Environment, source: Any, name: str | None = None, filename: str | None = None, **options: Any
) -> Any:
    if filename is None or options:
        return _compile_template(environment, source, name, filename, **options)
    key = (type(environment), filename, name, source)
    if key not in _templates:
        _templates[key] = _compile_template(environment, source, name, filename)
    return _templates[key]


class _Statements(LRUCache[Any, Any]):
    """Statements as they were written for one kind of database. SQLAlchemy's keys begin with the dialect of one engine."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((type(key[0]), *key[1:]), default)

    def __setitem__(self, key: Any, written: Any) -> None:
        super().__setitem__((type(key[0]), *key[1:]), written)


_statements = _Statements(5000)


def _share_statements(engine: Engine, made: object) -> None:
    vars(engine)[_CACHE] = None if made is None else _statements
