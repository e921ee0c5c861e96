"""What several journeys share."""

import itertools
import os
import shutil
import sys
from datetime import UTC, datetime

import pytest

from secureapi.core.clock import FrozenClock
from support.letters import Letters
from support.live import KEPT, ROOT
from support.mail_sink import MailSink
from support.processes import Server
from support.sample_settings import as_environment

pytest.register_assert_rewrite("journeys.answers", "journeys.recovering", "journeys.with_cookies")

API = "/api/v1"
_hosts = itertools.count(1)


@pytest.fixture(params=[API, ""], ids=["versioned", "unversioned"])
def base(request):
    """Both ways to address the public API."""
    return request.param


@pytest.fixture
def from_elsewhere():
    """`from_elsewhere()`: options for the test client that make the next request come from an address not seen before."""

    def options():
        number = next(_hosts)
        return {"environ_overrides": {"REMOTE_ADDR": f"198.51.{number // 250 % 250}.{number % 250 + 1}"}}

    return options


@pytest.fixture
def sink(tmp_path):
    """A mail server that wants STARTTLS and a login."""
    with MailSink(tmp_path) as opened:
        yield opened


@pytest.fixture
def make_worker(tmp_path):
    """`make_worker(house, *options)`: `flask worker` as a process of its own."""
    started = []

    def make(house, *options):
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        worker = Server(
            [sys.executable, "-m", "flask", "--app", "wsgi", "worker", *options],
            log=tmp_path / f"worker-{len(started)}.log",
            is_up=lambda: True,
            cwd=ROOT,
            env=kept | as_environment(house.settings) | {"SECUREAPI_DOTENV": os.devnull},
        )
        worker.start()
        started.append(worker)
        return worker

    yield make
    for worker in started:
        worker.kill()


@pytest.fixture(scope="module")
def chromium():
    """A real browser, started once for the tests of a module: each takes a context of its own in it."""
    # Imported here: 0.2 s that most workers need not spend.
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def shared_house(site):
    """`shared_house(engine, **settings)`: a house for the tests of a module that want the same one."""
    own, made = site.within(), {}

    def get(engine, **options):
        key = (engine, *sorted((name, id(value) if name == "clock" else value) for name, value in options.items()))
        if key not in made:
            made[key] = own.house(engine, **options)
        return made[key]

    yield get
    own.close()


@pytest.fixture(scope="module")
def shared_home(shared_house, tmp_path_factory):
    """The same and its letters, of which all that came before are read."""
    letters = Letters(tmp_path_factory.mktemp("mail"))

    def get(engine, **options):
        home = shared_house(engine, **letters.settings, **options)
        letters.deliver(home)
        return home, letters

    return get


@pytest.fixture(scope="module")
def shared_clock():
    """A clock for houses that the tests of a module share: each of them moves it on, and none back."""
    return FrozenClock(datetime.now(UTC))


@pytest.fixture
def home_settings():
    """What the house of a module is like; a module may say something else."""
    # Not above: what is imported before it was registered is not rewritten.
    from journeys.recovering import PUBLIC

    return {"public_url": PUBLIC}


@pytest.fixture
def home_and_letters(shared_home, engine, home_settings):
    return shared_home(engine, **home_settings)


@pytest.fixture
def home(home_and_letters):
    """A house that sends messages, shared by the tests of a module, on each engine in turn."""
    return home_and_letters[0]


@pytest.fixture
def letters(request, tmp_path):
    """The messages of `home` where a test asks for that, otherwise of a house of its own."""
    return request.getfixturevalue("home_and_letters")[1] if "home" in request.fixturenames else Letters(tmp_path / "mail")


@pytest.fixture
def make_home(make_house, engine, letters, home_settings):
    """`make_home(**settings)`: a house of the test's own on each engine in turn, whose messages are in `letters`."""
    return lambda **options: make_house(engine, **letters.settings, **(home_settings | options))


@pytest.fixture(scope="module")
def embedded(site):
    """gunicorn with one worker on SQLite, shared by the tests of a module: they leave it as it was."""
    own = site.within()
    yield own.live("embedded")
    own.close()
