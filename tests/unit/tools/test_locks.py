"""The lock files, which are installed together: none asks for another version of what stands in the next one."""

import re
from pathlib import Path

LOCKS = Path(__file__).resolve().parents[3] / "requirements"


def pins(name):
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", (LOCKS / name).read_text(), re.MULTILINE))


def test_every_version_is_the_same_in_each_lock():
    application, build, development = pins("app.txt"), pins("build.txt"), pins("dev.txt")

    assert "hatchling" in build
    assert len(application) > 20
    assert {name: development.get(name) for name in {**application, **build}} == {**application, **build}
    assert {name: application[name] for name in application.keys() & build.keys()} == {
        name: build[name] for name in application.keys() & build.keys()
    }
