"""`flask worker`: delivers what is in the outbox. Any number of them may run, on any number of hosts."""

import select
import signal
import socket
from contextlib import suppress
from types import FrameType
from typing import Any, Self

import click
import structlog

from secureapi.cli.answers import Answers, answering
from secureapi.core.delivery import Delivery, Undelivered
from secureapi.core.services import service

_log = structlog.get_logger("secureapi.worker")


class AskedBySignal:
    """SIGTERM and SIGINT ask the worker to stop, which it does after the message in hand. A context manager.

    The signal writes into a socket that `wait` listens to: an Event could be set while the same thread holds its lock.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._bell.close()
        self._ear.close()

    def wait(self, seconds: float) -> None:
        select.select([self._ear], [], [], seconds)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.is_asked = True
        with suppress(BlockingIOError):
            self._bell.send(b".")


@click.command("worker")
@click.option("--once", is_flag=True, help="Deliver what is due now, and end. Status 1 when the mail server is away.")
@answering
def worker(answers: Answers, *, once: bool) -> None:
    """Deliver messages until told to stop (SIGTERM). Several may run at once."""
    delivery = service(Delivery)
    if not delivery.is_possible:
        waiting = service(Undelivered).count_waiting()
        raise click.ClickException(f"SMTP_URL is not set, so there is nowhere to deliver to. Messages are kept; {waiting} wait.")
    with AskedBySignal() as stop:
        if not once:
            _log.info("worker.started")
            delivery.run(stop)
            _log.info("worker.stopped")
            return
        done = delivery.deliver_due(stop)
    answers.say(f"{done.delivered} delivered, {done.put_off} put off, {done.dead} dead, {done.dropped} dropped.")
    if done.server_away:
        raise click.ClickException(f"The mail server is away or refuses us ({done.server_away}). Messages are kept.")
