"""Many small cases in one test: each is tried whatever the others do, and each that fails is named."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pytest


class Cases:
    """A test with a table, where a test for each row would cost more than what it proves:

    with Cases() as case:
        for name, body in MINEFIELD.items():
            with case(name):
                assert_problem(post(house, body), 400)
    """

    def __init__(self) -> None:
        self._tried = 0
        self._failed: dict[str, BaseException] = {}

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def __call__(self, *name: object) -> Iterator[None]:
        """One case. What goes wrong in it is kept until all have been tried."""
        self._tried += 1
        try:
            yield
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - shown below, all of them
            self._failed[" ".join(map(str, name))] = error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        assert self._tried, "no case was tried, so nothing was proved"
        if self._failed:
            told = "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in self._failed.items())
            raise AssertionError(f"{len(self._failed)} of {self._tried} cases failed\n{told}") from next(iter(self._failed.values()))
