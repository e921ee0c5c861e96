"""Lists on disk of passwords that nobody may have: the operator's own words, and what is known from breaches. They may be broken."""

import hashlib
import os
import threading

import pytest
from structlog.testing import capture_logs

from secureapi.security.passwords import PasswordPolicy
from secureapi.security.passwords import denylist as denylists
from secureapi.security.passwords.breaches import MOST_BYTES as MOST_BREACH_BYTES
from secureapi.security.passwords.breaches import BreachFiles
from secureapi.security.passwords.candidate import Candidate
from secureapi.security.passwords.denylist import Denylist
from secureapi.security.passwords.policy import MODES
from secureapi.settings import SettingsRefused

E_ACUTE, E_AND_ACCENT = "\u00e9", "e\u0301"


def failed(mode, password, personal=(), *, app_name="secureapi", denylist=None, breaches=None, **asked):
    """The codes of the rules that a password fails."""
    policy = PasswordPolicy(app_name, MODES[mode], denylist, breaches)
    return [fault.code for fault in policy.faults(password, personal=personal, **asked)]


def words_file(folder, content):
    path = folder / "denylist.txt"
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
    return path


def changed(path, content):
    """Another content, and a moment that no file system takes for the same."""
    path.write_bytes(content)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))


class TestDenylist:
    @pytest.mark.parametrize("password", ["Falcon", "falcon", "FALCON-2026!", "F4lc0n99", "\uff26alcon1!", "Gr\u00fcnkohl7!", "#Falcon#"])
    def test_the_operators_words_are_refused_as_they_are_and_dressed_up(self, tmp_path, password):
        held = Denylist(words_file(tmp_path, "\ufefffalcon\r\n\r\n  Gru\u0308nkohl \n"))

        assert "denied" in failed("balanced", password, denylist=held)
        assert "denied" not in failed("balanced", "Kx7!mQz#falcon#2b", denylist=held)
        assert "denied" not in failed("balanced", "", denylist=held)

    @pytest.mark.parametrize(
        "broken",
        [
            b"\xff\xfe\x00f",
            b"falcon\0",
            b"\x89PNG\r\n\xff",
            b"x\n" * (denylists.MOST_BYTES // 2 + 1),
            "missing",
            "folder",
            "pipe",
            "unreadable",
        ],
        ids=["utf-16", "nul", "binary", "huge", "missing", "folder", "pipe", "unreadable"],
    )
    def test_a_broken_file_is_a_broken_setting(self, tmp_path, monkeypatch, broken):
        with pytest.raises(SettingsRefused) as refused:
            Denylist(place(tmp_path / "denylist.txt", broken, monkeypatch))
        assert refused.value.faults[0].startswith("PASSWORD_DENYLIST_FILE: ")
        assert str(tmp_path) not in refused.value.faults[0]

    def test_a_file_of_exactly_the_most_bytes_is_read(self, tmp_path):
        held = Denylist(words_file(tmp_path, b"falcon\n".ljust(denylists.MOST_BYTES, b"\n")))
        assert held.holds(Candidate.of("Falcon1!"))

    def test_a_changed_file_is_read_again(self, tmp_path):
        path = words_file(tmp_path, "falcon\n")
        held = Denylist(path)
        changed(path, b"heron\n")

        assert not held.holds(Candidate.of("Falcon1!"))
        assert held.holds(Candidate.of("Heron1!"))

    @pytest.mark.parametrize(
        "broken",
        [b"\xff\xff", b"x\n" * (denylists.MOST_BYTES // 2 + 1), "missing", "folder", "pipe"],
        ids=["binary", "huge", "missing", "folder", "pipe"],
    )
    def test_a_file_that_breaks_later_leaves_its_words_in_force_and_is_told_of_once(self, tmp_path, monkeypatch, broken):
        path = words_file(tmp_path, "falcon\n")
        held = Denylist(path)
        path.unlink()
        place(path, broken, monkeypatch)

        with capture_logs() as logs:
            verdicts = [held.holds(Candidate.of("Falcon1!")) for _ in range(3)]

        assert verdicts == [True] * 3
        assert [line["event"] for line in logs] == ["passwords.denylist.unreadable"]
        if path.exists():
            path.rmdir() if path.is_dir() else path.unlink()
        words_file(tmp_path, "a-heron-by-now\n")
        assert held.holds(Candidate.of("a-heron-by-now"))
        assert not held.holds(Candidate.of("Falcon1!"))

    def test_whoever_comes_while_another_reads_is_not_kept_waiting(self, tmp_path):
        path = words_file(tmp_path, "falcon\n")
        held = Denylist(path)
        changed(path, b"heron\n")
        found = []

        with held._reload:
            thread = threading.Thread(target=lambda: found.append(held.holds(Candidate.of("Falcon1!"))))
            thread.start()
            thread.join(timeout=20)
        assert found == [True]
        assert held.holds(Candidate.of("Heron1!"))


def place(path, broken, monkeypatch):
    """Something that is no list, at this path."""
    if broken == "folder":
        path.mkdir()
    elif broken == "pipe":
        os.mkfifo(path)
    elif broken == "unreadable":
        path.write_text("falcon\n")
        refuse_opening(path, monkeypatch)
    elif broken != "missing":
        path.write_bytes(broken)
    return path


def refuse_opening(path, monkeypatch):
    """What `chmod 000` does to everybody but root, as whom tests may run."""
    opened = os.open

    def refusing(name, *args, **kwargs):
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied")
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", refusing)


LEAKED = "Kx7!mQz#leaked"


def digest_of(password):
    return hashlib.sha1(password.encode()).hexdigest().upper()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "breaches").mkdir()
    return tmp_path / "breaches"


def list_file(folder, password=LEAKED, *, line="\r\n{}:52\r\n", name="{}.txt"):
    digest = digest_of(password)
    path = folder / name.format(digest[:5])
    others = "".join(f"{digest_of(str(n))[5:]}:{n + 1}\r\n" for n in range(900))
    path.write_bytes((others[:20_000] + line.format(digest[5:]) + others[20_000:]).encode())
    return path


class TestBreaches:
    @pytest.mark.parametrize("name", ["{}.txt", "{}"])
    @pytest.mark.parametrize("line", ["\n{}:1\n", "\r\n{}:9545824\r\n", "\r\n{}:007\r\n", "\n{}:3 \n"])
    def test_a_password_in_the_files_is_refused(self, folder, name, line):
        list_file(folder, line=line, name=name)
        assert failed("balanced", LEAKED, breaches=BreachFiles(folder)) == ["breached"]

    def test_so_it_is_however_it_was_composed_or_the_list_was_written(self, folder):
        password = "Kx7!mQz#" + E_ACUTE
        path = list_file(folder, password, line="\r\n{}:2\r\n")
        path.write_bytes(path.read_bytes().lower())
        for typed in (password, password.replace(E_ACUTE, E_AND_ACCENT)):
            assert failed("balanced", typed, breaches=BreachFiles(folder)) == ["breached"]

    @pytest.mark.parametrize("line", ["\n{}:0\n", "\n{}:\n", "\n{}\n", "\n{}:x\n", "\n0{}:5\n", "\n{}0:5\n", "\n {}:5\n", "\n{}:-5\n"])
    def test_padding_and_nonsense_are_not_known(self, folder, line):
        """Lists are padded with lines that count nothing."""
        list_file(folder, line=line)
        assert failed("balanced", LEAKED, breaches=BreachFiles(folder)) == []

    @pytest.mark.parametrize(
        ("broken", "told"),
        [
            ("missing", 0),
            (b"", 0),
            (bytes(range(256)) * 100, 0),
            (b"\n" * (MOST_BREACH_BYTES + 1), 1),
            ("folder", 1),
            ("pipe", 1),
            ("unreadable", 1),
        ],
        ids=["missing", "empty", "binary", "huge", "folder", "pipe", "unreadable"],
    )
    def test_a_broken_file_knows_nothing_and_is_told_of_once_without_its_name(self, folder, monkeypatch, broken, told):
        prefix = digest_of(LEAKED)[:5]
        place(folder / f"{prefix}.txt", broken, monkeypatch)
        held = BreachFiles(folder)

        with capture_logs() as logs:
            assert [failed("balanced", LEAKED, breaches=held) for _ in range(3)] == [[]] * 3

        assert [line["event"] for line in logs] == ["passwords.breaches.unreadable"] * told
        assert prefix not in str(logs)

    def test_a_link_that_turns_in_a_circle_knows_nothing(self, folder):
        prefix = digest_of(LEAKED)[:5]
        (folder / f"{prefix}.txt").symlink_to(folder / f"{prefix}.txt")
        assert failed("balanced", LEAKED, breaches=BreachFiles(folder)) == []

    def test_one_file_is_opened_for_one_password(self, folder, monkeypatch):
        list_file(folder)
        held, opened, really = BreachFiles(folder), [], os.open
        monkeypatch.setattr(os, "open", lambda *args, **kwargs: opened.append(args[0]) or really(*args, **kwargs))

        assert held.holds(Candidate.of(LEAKED))
        assert len(opened) == 1

    def test_a_folder_that_is_not_there_is_a_broken_setting(self, tmp_path):
        (tmp_path / "file").write_text("x")
        for path in (tmp_path / "missing", tmp_path / "file"):
            with pytest.raises(SettingsRefused, match="PASSWORD_BREACH_DIR: "):
                BreachFiles(path)

    def test_a_folder_that_vanishes_knows_nothing(self, folder):
        held = BreachFiles(folder)
        folder.rmdir()
        assert failed("balanced", LEAKED, breaches=held) == []


class TestSettings:
    def test_the_policy_is_what_the_settings_ask_for(self, make_settings, tmp_path, folder):
        path = words_file(tmp_path, "zorblax")
        list_file(folder)
        policy = PasswordPolicy.of(
            make_settings(
                app_name="Moonbase",
                password_policy="nist",
                password_history=7,
                password_denylist_file=str(path),
                password_breach_dir=str(folder),
            )
        )

        assert [fault.code for fault in policy.faults("Zorblax1!")] == ["too_short", "denied"]
        assert [fault.code for fault in policy.faults(LEAKED)] == ["too_short", "breached"]
        assert [fault.code for fault in policy.faults("Moonbase1!")] == ["too_short", "personal"]
        assert policy.remembered == 7

    @pytest.mark.parametrize(
        "content", [b"\xff\xfe\x00f", b"falcon\0", b"x\n" * (denylists.MOST_BYTES // 2 + 1)], ids=["utf-16", "nul", "huge"]
    )
    def test_a_list_that_is_no_text_is_a_fault_of_the_settings(self, make_settings, tmp_path, content):
        from secureapi.settings.rules import faults_of

        (fault,) = faults_of(make_settings(password_denylist_file=str(words_file(tmp_path, content))))

        assert fault.startswith("PASSWORD_DENYLIST_FILE: ")

    def test_lists_that_are_not_there_are_named_with_the_other_faults(self, make_settings, tmp_path):
        from secureapi.settings.rules import faults_of

        faults = faults_of(make_settings(password_denylist_file=str(tmp_path), password_breach_dir=str(tmp_path / "missing")))

        assert [fault.partition(":")[0] for fault in faults] == ["PASSWORD_DENYLIST_FILE", "PASSWORD_BREACH_DIR"]
        assert str(tmp_path) not in str(faults)
