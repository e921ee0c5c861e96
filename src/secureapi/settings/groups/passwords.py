"""Passwords: how they are hashed, what they must be, and how often they may be wrong."""

from dataclasses import dataclass

from secureapi.settings.fields import setting


@dataclass(frozen=True, kw_only=True)
class Passwords:
    """Fields of `Settings`."""

    password_hash: str = setting(
        "bcrypt",
        "How passwords are hashed. A hash of another kind or another cost stays good, and is made anew at the next login.",
        group="Passwords",
        choices=("bcrypt", "argon2id"),
    )
    password_hash_former: str = setting(
        "none",
        "What PASSWORD_HASH was before, while there are accounts that have not signed in since. Every login then takes the time of both, "
        "for otherwise the time would tell which names have such an account.",
        group="Passwords",
        choices=("none", "bcrypt", "argon2id"),
    )
    bcrypt_rounds: int = setting(12, "The cost of a bcrypt hash: each step doubles it.", group="Passwords", least=4, most=16)
    argon2_memory_kib: int = setting(
        19_456,
        "How much memory one Argon2id hash takes, in KiB. As much again is taken for each one at the same time: PASSWORD_HASH_WORKERS.",
        group="Passwords",
        least=128,
        most=131_072,
    )
    argon2_time_cost: int = setting(2, "How many times an Argon2id hash goes through its memory.", group="Passwords", least=1, most=64)
    argon2_parallelism: int = setting(1, "How many threads work on one Argon2id hash.", group="Passwords", least=1, most=16)
    password_hash_workers: int = setting(
        0,
        "How many passwords one worker process hashes at the same time. 0: the cores of the machine, divided among WEB_CONCURRENCY, as far "
        "as WEB_THREADS allows.",
        group="Passwords",
        least=0,
        most=64,
    )
    password_hash_queue: int = setting(
        0,
        "How many passwords may wait for their turn in one worker process; more are answered with 503 at once. A quarter of the places is "
        "kept for those whom we know. 0: what WEB_THREADS leaves when readers, delays and answers that are held have their share.",
        group="Passwords",
        least=0,
        most=256,
    )
    password_hash_niceness: int = setting(
        0,
        "How far hashing steps back behind everything else that a core has to do (nice, on Linux): more keeps reads quicker while a storm "
        "of logins lasts, and lets fewer logins through.",
        group="Passwords",
        least=0,
        most=19,
    )
    password_hash_wait_seconds: float = setting(
        30.0,
        "How long a login waits for its turn to be hashed before it is answered with 503.",
        group="Passwords",
        least=0.1,
        most=60,
    )
    password_policy: str = setting(
        "balanced",
        "What a new password must be. `balanced`: eight characters of four classes, or sixteen that are hard to guess. `composition`: "
        "eight characters of four classes, however long it is. `nist`: fifteen characters that are hard to guess, of any class "
        "(SP 800-63B-4).",
        group="Passwords",
        choices=("balanced", "composition", "nist"),
    )
    password_denylist_file: str = setting(
        "",
        "A text file with words that no password may be, one a line, alone or with digits and signs around it; at most 4 MiB. It is "
        "read again when it changes.",
        group="Passwords",
        example="var/denylist.txt",
    )
    password_breach_dir: str = setting(
        "",
        "A folder with the hashes of passwords that are known from breaches, in the k-anonymity layout: a file for each first five "
        "digits of the SHA-1 (`5BAA6.txt` or `5BAA6`) with lines `SUFFIX:COUNT`. Nothing is asked over the network.",
        group="Passwords",
        example="var/breaches",
    )
    password_history: int = setting(
        0,
        "How many former passwords of an account may not be used again, besides the present one. Each costs a hash when a password is "
        "changed. 0: none is kept.",
        group="Passwords",
        least=0,
        most=24,
    )
    max_login_attempts: int = setting(
        5,
        "So many wrong passwords in a row lock an account.",
        group="Passwords",
        least=1,
        most=100,
        changeable=True,
    )
    account_lockout_minutes: int = setting(
        30,
        "How long an account stays locked, and how long wrong attempts are remembered, in minutes.",
        group="Passwords",
        least=1,
        most=1440,
        changeable=True,
    )
    login_delay_seconds: float = setting(
        0.5,
        "How long the third wrong password in a row is kept waiting before it is looked at; each further one twice as long, until the lock "
        "falls. 0: not at all.",
        group="Passwords",
        least=0,
        most=10,
        changeable=True,
    )
