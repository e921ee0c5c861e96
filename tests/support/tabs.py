"""A tab of a real browser, and the letters that lead there."""

from urllib.parse import urlsplit

from playwright.sync_api import expect

from support.letters import Letters
from support.processes import until


class Post(Letters):
    """The letters of a server that delivers by itself."""

    def __init__(self, folder):
        super().__init__(folder)
        self._waiting = []

    def link(self, to, page):
        """The link to this page in the next message for somebody."""
        found = []

        def has_come():
            self._waiting += self.new()
            for message in [m for m in self._waiting if m.to == to]:
                found.extend(link for link in message.links if urlsplit(link).path.endswith(f"/{page}"))
                if found:
                    self._waiting.remove(message)
                    return True
            return False

        until(has_come)
        (link,) = found
        return link


class Tab:
    """One tab of a browser, and everything that it has asked for or complained about."""

    def __init__(self, context):
        self.page = context.new_page()
        self.asked = []
        self.complaints = []
        self.page.on("request", lambda request: self.asked.append((request.method, request.url)))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def open(self, url):
        self.page.goto(url)
        return self

    def press(self, name):
        self.page.get_by_role("button", name=name).click()

    def says(self, text, *, role="status"):
        """Wait until the page says so, where a screen reader hears it."""
        expect(self.page.get_by_role(role)).to_contain_text(text)

    @property
    def posts(self):
        return [urlsplit(url).path for method, url in self.asked if method == "POST"]

    def assert_quiet(self, *, statuses=()):
        """No script stumbled, nothing was blocked, and no answer was bad beside these."""
        expected = [f"Failed to load resource: the server responded with a status of {status}" for status in statuses]
        left = [text for text in self.complaints if not any(text.startswith(known) for known in expected)]
        assert left == []
