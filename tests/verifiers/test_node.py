"""When tests with Node.js may be skipped, and when not."""

import pytest

from support import node
from support.node import NodeMissing, Programs


def test_a_machine_without_node_is_told_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NodeMissing, match="node is not on this machine"):
        Programs(tmp_path)


def test_a_package_that_is_not_what_the_lock_file_says_is_no_reason_to_skip(tmp_path, monkeypatch, programs):
    """Somebody has changed it on its way here."""
    sources, target = tmp_path / "sources", tmp_path / "target"
    sources.mkdir()
    target.mkdir()
    for source in node._SOURCES.glob("*.json"):
        (sources / source.name).write_text(source.read_text().replace('"integrity": "sha512-', '"integrity": "sha512-AAAA'))
    monkeypatch.setattr(node, "_SOURCES", sources)

    with pytest.raises(RuntimeError, match="EINTEGRITY"):
        Programs(target)
