"""Whatever waits at the same time, somebody who only reads finds a thread."""

from secureapi.core.secret_values import SecretBox
from secureapi.security.passwords import PasswordHasher
from secureapi.settings.rules import faults_of
from secureapi.settings.threads import Threads
from support.each import each


@each("threads", range(1, 257))
def test_a_sixth_of_the_threads_is_left_to_readers(threads):
    shares = Threads.of(threads)

    assert min(shares.held, shares.delayed, shares.hashing) >= 1
    if threads >= 4:
        left = threads - shares.held - shares.delayed - shares.hashing
        assert left == shares.for_readers >= max(1, threads / 6)


def test_the_default_is_shared_out_as_the_manual_says(make_settings):
    assert make_settings().threads == Threads(for_readers=8, held=12, delayed=6, hashing=22)


@each("cores", [1, 2, 8, 64])
@each("threads", [4, 5, 8, 32, 256])
@each("asked", [(0, 0), (1, 0), (0, 1), (0, 13), (14, 0), (2, 12)])
def test_the_gate_takes_no_more_than_its_share(make_settings, monkeypatch, cores, threads, asked):
    workers, queue = asked
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    settings = make_settings(web_threads=threads, password_hash_workers=workers, password_hash_queue=queue)
    if [fault for fault in faults_of(settings) if fault.startswith("PASSWORD_HASH_QUEUE")]:
        assert (workers or 1) + queue > settings.threads.hashing
        return

    gate = PasswordHasher(settings, SecretBox("the secret of this installation, long enough"))._gate

    assert gate._most <= settings.threads.hashing
    assert gate._most == settings.threads.hashing or queue


@each(
    ("threads", "workers", "queue", "is_right"),
    [(32, 0, 13, True), (32, 0, 14, False), (32, 2, 12, True), (32, 2, 13, False), (32, 15, 0, False), (64, 0, 28, True), (4, 0, 1, False)],
)
def test_settings_that_leave_readers_no_thread_are_refused(make_settings, threads, workers, queue, is_right):
    settings = make_settings(web_threads=threads, password_hash_workers=workers, password_hash_queue=queue)

    assert [fault.partition(":")[0] for fault in faults_of(settings)] == ([] if is_right else ["PASSWORD_HASH_QUEUE"])
