"""What a browser does with cookies, as far as journeys need it: keeps them by name and path, sends them back, repeats the CSRF token."""

from dataclasses import dataclass, field
from typing import Any

from support.house import House, Person

API = "/api/v1"
SITE = "https://localhost"
ACCESS, REFRESH, CSRF = "__Host-secureapi_access", "__Secure-secureapi_refresh", "__Host-secureapi_csrf"


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One Set-Cookie header, taken apart (RFC 6265 section 4.1). `flags` are in lower case."""

    name: str
    value: str
    path: str
    max_age: int
    same_site: str
    flags: frozenset[str]
    rest: frozenset[str]
    """Names of attributes that were not asked for above: `domain` would be one."""

    @classmethod
    def parse(cls, line: str) -> "SetCookie":
        pair, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        flags = frozenset(word.lower() for word in attributes if "=" not in word)
        said = {key.lower(): text for key, _, text in (word.partition("=") for word in attributes if "=" in word)}
        rest = frozenset(said) - {"path", "max-age", "samesite", "expires"}
        return cls(name, value, said["path"], int(said["max-age"]), said["samesite"], flags, rest)


def cookies_of(answer: Any) -> dict[str, SetCookie]:
    """The cookies that an answer sets, by name. None may come twice."""
    found = [SetCookie.parse(line) for line in answer.headers.getlist("Set-Cookie")]
    assert len({cookie.name for cookie in found}) == len(found)
    return {cookie.name: cookie for cookie in found}


@dataclass(slots=True)
class Browser:
    """A browser with a page of our own in it."""

    house: House
    base: str = API
    jar: dict[tuple[str, str], str] = field(default_factory=dict)
    """Values by name and path."""
    csrf_token: str = ""
    """What the page remembers."""

    def sign_in(self, person: Person) -> Any:
        """Sign in with delivery by cookie."""
        body = {"username": person.username, "password": person.password, "delivery": "cookie"}
        answer = self.ask("POST", f"{self.base}/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        self.csrf_token = answer.json["csrf_token"]
        return answer

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, with_csrf: bool = True, **options: Any) -> Any:
        """A request of the page: with the cookies that belong to the path, and with the CSRF token unless it forgets."""
        sent = {"X-CSRF-Token": self.csrf_token} if with_csrf and self.csrf_token else {}
        cookies = self.cookies_for(path)
        if cookies:
            sent["Cookie"] = cookies
        client = self.house.app.test_client(use_cookies=False)
        answer = client.open(path, method=method, base_url=SITE, headers=sent | (headers or {}), **options)
        for cookie in cookies_of(answer).values():
            if cookie.max_age > 0:
                self.jar[cookie.name, cookie.path] = cookie.value
            else:
                self.jar.pop((cookie.name, cookie.path), None)
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", f"{self.base}{path}", **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.ask("POST", f"{self.base}{path}", **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.ask("PATCH", f"{self.base}{path}", **options)

    def cookies_for(self, path: str) -> str:
        """The Cookie header for a path (RFC 6265 section 5.1.4)."""
        sent = [f"{name}={value}" for (name, below), value in self.jar.items() if path == below or path.startswith(below.rstrip("/") + "/")]
        return "; ".join(sent)

    def value(self, name: str) -> str:
        """The value of the one cookie with this name."""
        (value,) = [value for (known, _), value in self.jar.items() if known == name]
        return value

    def forget(self, name: str) -> None:
        """Lose a cookie, as when its time is over."""
        self.jar = {key: value for key, value in self.jar.items() if key[0] != name}

    def put(self, name: str, value: str) -> None:
        """Change the value of a cookie that is there."""
        self.jar = {key: value if key[0] == name else old for key, old in self.jar.items()}

    def twin(self) -> "Browser":
        """Another tab, or a thief's copy: the same cookies, from now on apart."""
        return Browser(self.house, self.base, dict(self.jar), self.csrf_token)


def browser_of(house: House, person: Person | None = None, base: str = API) -> Browser:
    """A browser in which somebody has just signed in."""
    browser = Browser(house, base)
    browser.sign_in(person or house.register())
    return browser
