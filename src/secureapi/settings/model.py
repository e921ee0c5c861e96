"""The settings themselves. The text beside each field is what docs/settings.md and .env.example say."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import make_url

from secureapi.settings import mail, values
from secureapi.settings.fields import REQUIRED, setting
from secureapi.settings.values import Network, Rate


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be decided from outside, read once at the start. Never printed with its values."""

    # ---- the service
    app_name: str = setting("secureapi", "The name people see: in the API documentation and in messages.", group="Service")
    environment: str = setting(
        "production",
        "Where this runs. `development` allows plain http cookies and shows logs for people; the rest is the same everywhere.",
        group="Service",
        choices=("development", "testing", "staging", "production"),
    )
    debug: bool = setting(
        False, "Must stay off: a debugger answers strangers. Accepted so that `DEBUG=false` of older files is no fault.", group="Service"
    )
    public_url: str = setting(
        "http://127.0.0.1:8000",
        "The address under which clients reach this service, without a trailing slash. It is the issuer of tokens and the start of "
        "every link in a message; the Host header is never used for either. Not set: this machine's loopback address with PORT.",
        group="Service",
        parse=values.http_url,
        example="https://auth.example.com",
    )
    port: int = setting(8000, "The port that `make run` and gunicorn listen on.", group="Service", least=1, most=65535)
    bind_address: str = setting(
        "127.0.0.1", "The address that gunicorn listens on. Put a reverse proxy in front before opening it.", group="Service"
    )
    web_concurrency: int = setting(
        1,
        "How many worker processes gunicorn starts. More than one needs PostgreSQL and Redis.",
        group="Service",
        least=1,
        most=256,
    )
    web_threads: int = setting(
        32,
        "How many threads each worker has; requests beyond that wait. Logins wait for their turn to be hashed in them, so there must be "
        "more than those for everybody else.",
        group="Service",
        least=1,
        most=256,
    )
    unversioned_paths: bool = setting(
        True,
        "Whether `/auth`, `/users` and `/security` answer without `/api/v1`, as two of the seed documents write them.",
        group="Service",
    )
    docs_access: str = setting(
        "public",
        "Who may read `/docs` and `/openapi.json`: everybody, callers with `admin:read`, or nobody (404).",
        group="Service",
        choices=("public", "admin", "off"),
    )
    security_contact: str = setting(
        "",
        "The contact in `/.well-known/security.txt` (RFC 9116): a `mailto:` or `https:` address. Empty: the file answers 404.",
        group="Service",
        example="mailto:security@example.com",
    )

    # ---- secrets
    secret_key: str = setting(
        REQUIRED,
        "The one secret that others are derived from: encryption of the signing keys, refresh tokens, keyed hashes. At least 32 "
        "characters of randomness. Changing it ends every session.",
        group="Secrets",
        secret=True,
        example="(python3 -c 'import secrets; print(secrets.token_urlsafe(48))')",
    )
    jwt_secret_key: str = setting(
        "",
        "The shared secret of `JWT_ALGORITHM=HS256`, at least 32 characters. Not used by the other algorithms.",
        group="Secrets",
        secret=True,
    )
    key_encryption_key: str = setting(
        "",
        "Encrypts the signing keys in the database, so that SECRET_KEY can be changed without losing them. At least 32 characters. "
        "Losing or changing it makes new signing keys. Empty: derived from SECRET_KEY.",
        group="Secrets",
        secret=True,
    )
    password_pepper: str = setting(
        "",
        "Mixed into every password hash and kept outside the database, so that a stolen table alone cannot be attacked. At least 32 "
        "characters. Losing it invalidates every password made with it. To change it, add the former one to PASSWORD_PEPPERS_OLD. Empty: "
        "derived from SECRET_KEY; setting it later invalidates nothing, as long as SECRET_KEY stays.",
        group="Secrets",
        secret=True,
    )
    password_peppers_old: tuple[str, ...] = setting(
        (),
        "Former values of PASSWORD_PEPPER, separated by commas. Passwords hashed with one of them stay good, and each is hashed with the "
        "present one at its next login. Remove one when no account's hash names it any more.",
        group="Secrets",
        secret=True,
        parse=values.words,
    )

    # ---- stores
    database_url: str = setting(
        REQUIRED,
        "Where the truth lives: `sqlite:///var/secureapi.db` or `postgresql://…?sslmode=verify-full&sslrootcert=…` (12 or newer). "
        "Special characters in the password are percent-encoded, as %40 for @. `DATABASE_URL_FILE` keeps it out of the environment.",
        group="Stores",
        secret=True,
        parse=values.database_url,
        example="sqlite:///var/secureapi.db",
    )
    database_require_tls: bool = setting(
        True,
        "Refuse a PostgreSQL connection that is not encrypted. Say false aloud for a server on the same host.",
        group="Stores",
    )
    database_pool_size: int = setting(
        0,
        "Connections a worker may hold for transactions, and as many again for single statements. 0: one for every four threads.",
        group="Stores",
        least=0,
        most=512,
    )
    database_timeout_seconds: float = setting(
        5.0,
        "How long a request waits for a connection, for a lock, and for one statement, before it is answered with 503.",
        group="Stores",
        least=0.1,
        most=120,
    )
    redis_url: str = setting(
        "",
        "Speed, not truth: limits over all workers and the callers known at this moment. Empty: limits are kept in the process, and only "
        "one worker may run.",
        group="Stores",
        secret=True,
        parse=values.redis_url,
        example="rediss://:password@redis.example.com:6379/0",
    )
    redis_require_tls: bool = setting(
        True,
        "Refuse `redis://`. Say false aloud for a server on the same host.",
        group="Stores",
    )
    redis_ca_file: str = setting(
        "", "The certificate authority that signed the Redis server's certificate. Empty: the system's.", group="Stores"
    )
    redis_timeout_seconds: float = setting(
        0.25,
        "How long Redis may take before the request goes on without it.",
        group="Stores",
        least=0.01,
        most=10,
    )

    # ---- tokens
    jwt_algorithm: str = setting(
        "ES256",
        "How new access tokens are signed. Every algorithm but HS256 has a key pair of its own, kept encrypted in the database.",
        group="Tokens",
        choices=("ES256", "RS256", "EdDSA", "HS256"),
    )
    jwt_audience: str = setting("", "The `aud` of access tokens. Empty: PUBLIC_URL.", group="Tokens")
    access_token_expire_minutes: int = setting(
        15,
        "How long an access token is good, in minutes.",
        group="Tokens",
        aliases=("JWT_ACCESS_TOKEN_EXPIRE_MINUTES",),
        least=1,
        most=1440,
    )
    refresh_token_expire_days: int = setting(
        7,
        "How long a session may lie unused before it ends, in days: each refresh starts this anew.",
        group="Tokens",
        aliases=("JWT_REFRESH_TOKEN_EXPIRE_DAYS",),
        least=1,
        most=365,
    )
    session_lifetime_days: int = setting(
        30,
        "How long a session may last in all, in days, however often it is refreshed.",
        group="Tokens",
        least=1,
        most=365,
    )
    refresh_reuse_grace_seconds: int = setting(
        10,
        "For so long after a rotation the used refresh token gives the very same successor again (a lost answer, two browser tabs). "
        "It does not slide. 0: any reuse closes the session at once.",
        group="Tokens",
        least=0,
        most=60,
    )
    max_sessions_per_user: int = setting(
        50, "How many sessions one account may have at a time. One more ends the oldest.", group="Tokens", least=1, most=10_000
    )
    reauthentication_max_age_minutes: int = setting(
        10,
        "How long ago somebody may have proved who he is for what is dangerous (a new password or address): after that the endpoint asks "
        "for `POST /auth/reauthenticate` first (RFC 9470).",
        group="Tokens",
        least=1,
        most=1440,
    )
    signing_key_rotation_days: int = setting(
        90,
        "How old the signing key gets before the next one takes its place, in days. 0: only `flask jwt keys rotate` changes it.",
        group="Tokens",
        least=0,
        most=3650,
    )
    signing_key_overlap_hours: int = setting(
        24,
        "How long a key that signs no more still verifies, in hours: longer than any access token lives and any verifier caches our keys.",
        group="Tokens",
        least=1,
        most=720,
    )
    secure_cookies: bool = setting(True, "Whether cookies are only sent over https. May be off in development only.", group="Tokens")

    # ---- passwords and attempts
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
        "How many passwords one worker process hashes at the same time. 0: the cores of the machine, divided among WEB_CONCURRENCY.",
        group="Passwords",
        least=0,
        most=64,
    )
    password_hash_queue: int = setting(
        0,
        "How many passwords may wait for their turn in one worker process; more are answered with 503 at once. 0: three quarters of "
        "WEB_THREADS, so that others always find a thread.",
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
    )
    account_lockout_minutes: int = setting(
        30,
        "How long an account stays locked, and how long wrong attempts are remembered, in minutes.",
        group="Passwords",
        least=1,
        most=1440,
    )
    registration: str = setting("open", "Whether strangers may register.", group="Passwords", choices=("open", "closed"))

    # ---- limits
    rate_limit_per_minute: int = setting(
        60, "Requests a minute for each session, and for each address without one.", group="Limits", least=1
    )
    rate_limit_max_requests: int = setting(
        0,
        "The same in the other seed's words, together with RATE_LIMIT_WINDOW_SECONDS. 0: RATE_LIMIT_PER_MINUTE decides.",
        group="Limits",
        least=0,
    )
    rate_limit_window_seconds: int = setting(60, "The window of RATE_LIMIT_MAX_REQUESTS, in seconds.", group="Limits", least=1, most=86400)
    login_rate_limit: Rate = setting(Rate(5, 60), "Logins for each address.", group="Limits", parse=values.rate)
    register_rate_limit: Rate = setting(Rate(3, 60), "Registrations for each address.", group="Limits", parse=values.rate)
    refresh_rate_limit: Rate = setting(Rate(30, 60), "Refreshes for each address.", group="Limits", parse=values.rate)
    client_rate_limit: Rate = setting(Rate(600, 60), "Introspections and revocations for each client.", group="Limits", parse=values.rate)
    password_check_rate_limit: Rate = setting(
        Rate(30, 60),
        "Passwords that are tried against the policy before they are chosen, for each address.",
        group="Limits",
        parse=values.rate,
    )
    profile_rate_limit: Rate = setting(
        Rate(30, 60),
        "Changes of one's own account, for each user: asking for taken names tells who has an account.",
        group="Limits",
        parse=values.rate,
    )
    max_body_bytes: int = setting(1024 * 1024, "The largest request body, in bytes. More is answered with 413.", group="Limits", least=1024)

    # ---- who may talk to us
    allowed_hosts: tuple[str, ...] = setting(
        ("localhost", "127.0.0.1"),
        "What may stand in the Host header.",
        group="Edge",
        parse=values.hosts,
    )
    trusted_proxies: tuple[Network, ...] = setting(
        (),
        "Addresses or networks of the reverse proxies in front. Only they are believed about the client's address and scheme; without "
        "any, the socket is. A network that holds everybody is refused.",
        group="Edge",
        parse=values.networks,
        example="10.0.0.0/8",
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        "Origins whose pages may read our answers in a browser. Exact origins only.",
        group="Edge",
        parse=values.origins,
        example="https://app.example.com",
    )
    cors_allow_credentials: bool = setting(False, "Whether those pages may send cookies.", group="Edge")
    cors_allow_methods: tuple[str, ...] = setting(
        ("GET", "POST", "PUT", "PATCH", "DELETE"), "Methods those pages may use.", group="Edge", parse=values.words
    )
    cors_allow_headers: tuple[str, ...] = setting(
        ("Authorization", "Content-Type", "X-Request-ID", "Idempotency-Key", "X-CSRF-Token"),
        "Request headers those pages may send.",
        group="Edge",
        parse=values.words,
    )

    # ---- mail
    smtp_url: str = setting(
        "",
        "The mail server: `smtp://user:password@host:587` (encrypted with STARTTLS) or `smtps://user:password@host:465`. Special "
        "characters in the password are percent-encoded. Empty: in development messages go to MAIL_FOLDER as files, elsewhere they "
        "are kept until this is set.",
        group="Mail",
        secret=True,
        parse=mail.smtp_url,
        example="smtp://user:password@mail.example.com:587",
    )
    smtp_require_tls: bool = setting(
        True,
        "Hand over nothing to a server that does not encrypt. Say false aloud for a server on the same host: it is then spoken to in the "
        "open.",
        group="Mail",
    )
    smtp_ca_file: str = setting(
        "", "The certificate authority that signed the mail server's certificate. Empty: the system's.", group="Mail"
    )
    mail_from: str = setting(
        "",
        "Whom messages come from: an address, or a name and an address. Empty: nobody, which will do for files only. The name: APP_NAME.",
        group="Mail",
        parse=mail.mail_sender,
        example="Our service <no-reply@example.com>",
    )
    mail_timeout_seconds: float = setting(
        10.0, "How long the mail server may take for each of its answers.", group="Mail", least=0.1, most=120
    )
    mail_folder: str = setting("var/mail", "Where messages go as files in development, while SMTP_URL is not set.", group="Mail")
    outbox_in_server: str = setting(
        "auto",
        "Whether a thread of the server delivers messages. `auto`: where it is the only worker and has SQLite. Everywhere else "
        "`flask worker` does it.",
        group="Mail",
        choices=("auto", "on", "off"),
    )
    outbox_max_attempts: int = setting(
        12,
        "So many refusals, over about four hours, and nobody tries a message any more: `flask outbox list` shows it.",
        group="Mail",
        least=1,
        most=100,
    )
    outbox_keep_days: int = setting(7, "How long it is remembered that a message was delivered, in days.", group="Mail", least=1, most=3650)

    # ---- logs
    log_level: str = setting(
        "INFO", "The least important level that is still written.", group="Logs", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting("json", "One JSON object a line, or colours for people.", group="Logs", choices=("json", "console"))
    slow_request_ms: int = setting(1000, "A request that takes longer is flagged in its log line, in milliseconds.", group="Logs", least=1)

    # ---- what follows from them

    @property
    def is_embedded_database(self) -> bool:
        """SQLite rather than PostgreSQL."""
        return self.database_url.startswith("sqlite")

    @property
    def api_rate_limit(self) -> Rate:
        """The general budget, from whichever pair of names was used."""
        if self.rate_limit_max_requests:
            return Rate(self.rate_limit_max_requests, self.rate_limit_window_seconds)
        return Rate(self.rate_limit_per_minute, 60)

    @property
    def access_token_lifetime(self) -> timedelta:
        return timedelta(minutes=self.access_token_expire_minutes)

    @property
    def refresh_token_lifetime(self) -> timedelta:
        return timedelta(days=self.refresh_token_expire_days)

    @property
    def session_lifetime(self) -> timedelta:
        return timedelta(days=self.session_lifetime_days)

    @property
    def reauthentication_max_age(self) -> timedelta:
        return timedelta(minutes=self.reauthentication_max_age_minutes)

    @property
    def signing_key_overlap(self) -> timedelta:
        return timedelta(hours=self.signing_key_overlap_hours)

    @property
    def account_lockout(self) -> timedelta:
        return timedelta(minutes=self.account_lockout_minutes)

    @property
    def token_audience(self) -> str:
        return self.jwt_audience or self.public_url

    @property
    def delivers_in_server(self) -> bool:
        """Whether a thread of the server empties the outbox."""
        is_alone = self.is_embedded_database and self.web_concurrency == 1
        return self.outbox_in_server == "on" or (self.outbox_in_server == "auto" and is_alone)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, where there is one."""
        path = make_url(self.database_url).database if self.is_embedded_database else None
        return Path(path) if path and path != ":memory:" else None

    def __repr__(self) -> str:
        return "<Settings>"
