"""The pages to which links in messages lead, in a real browser and with real messages. How they are sent is in test_account_pages.py."""

import http.client
import http.server
import re
import threading
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from secureapi.security.links import Purpose
from support.tabs import Post, Tab

API = "/api/v1"
PAGES = [*(purpose.value for purpose in Purpose), "forgot-password", "resend-verification"]
GOOD, BETTER = "Tall-Trees-42!", "Wide-Rivers-43!"


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    return Post(tmp_path_factory.mktemp("mail"))


@pytest.fixture(scope="module")
def server(site, post):
    """gunicorn, which delivers messages itself, into a folder. Addresses are confirmed first."""
    own = site.within()
    yield own.live(
        "embedded",
        email_verification="required",
        recovery_rate_limit="100000/minute",
        mail_recipient_budget="1000/hour",
        max_login_attempts=3,
        **post.settings,
    )
    own.close()


@pytest.fixture
def context(chromium):
    made = chromium.new_context()
    made.set_default_timeout(20_000)
    yield made
    made.close()


@pytest.fixture
def tab(context):
    return Tab(context)


def register(server, word):
    asked = {"username": word, "email": f"{word}@example.com", "password": GOOD}
    answer = server.post(f"{API}/auth/register", json=asked)
    assert answer.status == 202, answer.text
    return asked


def log_in(server, asked, password=GOOD):
    return server.post(f"{API}/auth/login", json={"email": asked["email"], "password": password})


def test_somebody_registers_opens_the_link_presses_the_button_and_has_an_account(server, post, context, tab):
    asked = register(server, "ada-1")
    link = post.link(asked["email"], "verify-email")
    token = link.partition("#")[2]

    tab.open(link)

    expect(tab.page.get_by_role("heading", name="Confirm your address")).to_be_visible()
    assert tab.page.url == f"{server.url}/account/verify-email", "the token is out of the address bar"
    assert tab.page.evaluate("history.length") == 2
    assert tab.posts == [], "whoever only looks at the link uses nothing up"
    assert log_in(server, asked).status == 401
    tab.press("Confirm the address")
    tab.says("The address is confirmed. You can sign in now.")
    assert tab.posts == [f"{API}/auth/email/verify"]
    assert log_in(server, asked).status == 200
    expect(tab.page.get_by_role("button")).to_have_count(0)
    assert {urlsplit(url).netloc for _, url in tab.asked} == {f"127.0.0.1:{server.port}"}
    assert token not in str([url for _, url in tab.asked])
    assert token not in server.log()
    assert context.cookies() == []
    assert tab.page.evaluate("localStorage.length + sessionStorage.length") == 0
    tab.assert_quiet()

    again = Tab(context).open(link)
    again.press("Confirm the address")
    again.says("This link is not valid, was used already, or has expired.", role="alert")
    expect(again.page.get_by_role("button")).to_have_count(0)
    again.page.get_by_role("link", name="Ask for a message with a new link").click()
    expect(again.page.get_by_role("heading", name="Another message")).to_be_visible()
    again.assert_quiet(statuses=[400])


def test_somebody_whose_link_is_over_asks_for_another(server, post, tab):
    asked = register(server, "ada-2")
    post.link(asked["email"], "verify-email")

    tab.open(f"{server.url}/account/resend-verification")
    tab.page.get_by_label("Address").fill(asked["email"])
    tab.press("Send the message")
    tab.says("If this address waits to be confirmed, a message is on its way to it.")

    tab.open(post.link(asked["email"], "verify-email"))
    tab.press("Confirm the address")
    tab.says("The address is confirmed.")
    assert log_in(server, asked).status == 200
    tab.assert_quiet()


def test_somebody_who_forgot_his_password_sets_a_good_one_after_a_weak_one(server, post, context, tab):
    person = server.house.person(email="forgetful@example.com", password=GOOD)
    asked = {"email": person.email}

    tab.open(f"{server.url}/.well-known/change-password")
    expect(tab.page.get_by_role("heading", name="Forgotten your password?")).to_be_visible()
    tab.page.get_by_label("Address").fill("not an address")
    tab.press("Send the message")
    tab.says("This is not an email address.", role="alert")
    assert tab.posts == []
    tab.page.get_by_label("Address").fill(person.email)
    tab.press("Send the message")
    tab.says("If there is an account with this address, a message is on its way to it.")

    link = post.link(person.email, "reset-password")
    tab.open(link)
    new, again = tab.page.get_by_label("New password", exact=True), tab.page.get_by_label("The new password again")
    assert [field.get_attribute("autocomplete") for field in (new, again)] == ["new-password", "new-password"]
    new.fill("weak")
    expect(tab.page.get_by_role("listitem").first).to_be_visible()
    assert tab.posts[-1] == f"{API}/auth/password/check", "what it lacks is said while it is typed"
    again.fill("weaker")
    tab.press("Set the new password")
    expect(tab.page.get_by_text("The two passwords are not the same.")).to_be_visible()
    again.fill("weak")
    tab.press("Set the new password")
    tab.says("This password will not do.", role="alert")
    assert new.get_attribute("aria-invalid") == "true"
    assert "at least 8 characters" in tab.page.locator("#rules").inner_text()
    assert log_in(server, asked).status == 200, "nothing has happened yet"
    new.fill(BETTER)
    expect(tab.page.get_by_role("listitem")).to_have_count(0)
    again.fill(BETTER)
    tab.press("Set the new password")
    tab.says("The new password is set")
    assert [log_in(server, asked, password).status for password in (GOOD, BETTER)] == [401, 200]
    assert tab.page.locator("input[type=password]").evaluate_all("all => all.map(one => one.value)") == ["", ""]
    tab.assert_quiet(statuses=[400])

    over = Tab(context).open(link)
    over.page.get_by_label("New password", exact=True).fill("Tall-Hills-44!")
    over.page.get_by_label("The new password again").fill("Tall-Hills-44!")
    over.press("Set the new password")
    over.says("This link is not valid, was used already, or has expired.", role="alert")
    expect(over.page.get_by_role("link", name="Ask for a message with a new link")).to_be_visible()
    assert log_in(server, asked, BETTER).status == 200


def test_the_owner_of_a_locked_account_lets_himself_in_again(server, post, tab):
    person = server.house.person(email="locked-out@example.com", password=GOOD)
    asked = {"email": person.email}
    for _ in range(4):
        log_in(server, asked, "Wrong-Guess-1!")

    tab.open(post.link(person.email, "unlock"))
    tab.press("Unlock the account")
    tab.says("The account is unlocked. You can sign in now.")

    assert log_in(server, asked).status == 200
    tab.assert_quiet()


def test_an_owner_who_says_that_it_was_not_him_throws_everybody_out_and_gets_a_new_password(server, post, tab):
    person = server.house.person(email="robbed@example.com", password=GOOD)
    asked = {"email": person.email}
    stolen = person.tokens.refresh
    for _ in range(2):
        server.post(f"{API}/auth/refresh", json={"refresh_token": stolen})
    thief = log_in(server, asked).json

    tab.open(post.link(person.email, "not-me"))
    tab.press("End every session")
    tab.says("Every session has ended.")

    assert server.get(f"{API}/users/me", headers={"Authorization": f"Bearer {thief['access_token']}"}).status == 401
    assert log_in(server, asked).status == 401
    tab.open(post.link(person.email, "reset-password"))
    for label in ("New password", "The new password again"):
        tab.page.get_by_label(label, exact=True).fill(BETTER)
    tab.press("Set the new password")
    tab.says("The new password is set")
    assert log_in(server, asked, BETTER).status == 200
    tab.assert_quiet()


def test_somebody_confirms_the_address_that_his_account_shall_have(server, post, tab):
    person = server.house.person(email="moving@example.com", password=GOOD)
    answer = server.patch(f"{API}/users/me", json={"email": "moved@example.com"}, person=person)
    assert answer.status == 200, answer.text

    tab.open(post.link("moved@example.com", "confirm-email"))
    tab.press("Confirm the new address")
    tab.says("Your account has the new address now.")

    assert server.get(f"{API}/users/me", person=person).json["email"] == "moved@example.com"
    tab.assert_quiet()


def test_a_link_that_was_cut_off_says_so_and_a_whole_one_in_the_same_tab_works(server, post, tab):
    asked = register(server, "ada-3")
    link = post.link(asked["email"], "verify-email")

    tab.open(f"{server.url}/account/verify-email")
    tab.says("The link is not complete.", role="alert")
    expect(tab.page.get_by_role("button")).to_have_count(0)
    tab.open(link)
    tab.press("Confirm the address")

    tab.says("The address is confirmed.")
    assert log_in(server, asked).status == 200
    tab.assert_quiet()


def test_an_address_in_letters_of_any_script_can_be_given(server, post, tab):
    server.house.person(email="jörg@bücher.example", password=GOOD)
    tab.open(f"{server.url}/account/forgot-password")
    tab.page.get_by_label("Address").fill(" jörg@bücher.example ")

    tab.press("Send the message")

    tab.says("If there is an account with this address")
    tab.open(post.link("jörg@xn--bcher-kva.example", "reset-password"))
    assert tab.page.get_by_role("button").is_visible()
    tab.assert_quiet()


def test_a_password_that_is_too_long_is_refused_and_not_cut_off(server, post, tab):
    person = server.house.person(email="long-winded@example.com", password=GOOD)
    server.post(f"{API}/auth/password/forgot", json={"email": person.email})
    tab.open(post.link(person.email, "reset-password"))
    for label in ("New password", "The new password again"):
        tab.page.get_by_label(label, exact=True).fill("Tall trees " * 12)

    tab.press("Set the new password")

    tab.says("At most 128 characters are accepted.", role="alert")
    assert log_in(server, {"email": person.email}).status == 200
    for label in ("New password", "The new password again"):
        tab.page.get_by_label(label, exact=True).fill("Tall trees " * 11)
    tab.press("Set the new password")
    tab.says("The new password is set")
    assert log_in(server, {"email": person.email}, "Tall trees " * 11).status == 200
    tab.assert_quiet(statuses=[422])


@pytest.mark.parametrize("token", ["x", "%00", "<img src=x onerror=alert(1)>", "a" * 500, "../../auth/logout", "ä"])
def test_a_made_up_link_does_nothing_but_say_that_it_is_none(server, tab, token):
    tab.page.on("dialog", lambda dialog: tab.complaints.append(dialog.message))

    tab.open(f"{server.url}/account/unlock#{token}")
    tab.press("Unlock the account")

    expect(tab.page.get_by_role("alert")).not_to_be_empty()
    assert tab.posts == [f"{API}/auth/unlock"]
    tab.assert_quiet(statuses=[400, 422])


def test_somebody_without_a_mouse_gets_through_by_keyboard_and_hears_what_came_of_it(server, post, tab):
    person = server.house.person(email="by-keyboard@example.com", password=GOOD)
    server.post(f"{API}/auth/password/forgot", json={"email": person.email})
    tab.open(post.link(person.email, "reset-password"))
    keyboard = tab.page.keyboard

    keyboard.press("Tab")
    keyboard.type(BETTER)
    keyboard.press("Tab")
    keyboard.type(BETTER)
    keyboard.press("Tab")
    keyboard.press("Space")
    assert tab.page.locator("#again").get_attribute("type") == "text", "what was typed can be looked at"
    keyboard.press("Tab")
    keyboard.press("Enter")

    tab.says("The new password is set")
    expect(tab.page.get_by_role("status")).to_be_focused()
    assert log_in(server, {"email": person.email}, BETTER).status == 200


CONTRAST = """
() => {
    const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const channels = colour => {
        paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const light = colour => channels(colour).slice(0, 3).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => {
        while (element && channels(getComputedStyle(element).backgroundColor)[3] === 0) element = element.parentElement;
        return getComputedStyle(element).backgroundColor;
    };
    for (const place of document.querySelectorAll("#problem, #done")) place.textContent = "What came of it";
    const shown = [...document.querySelectorAll("h1, p, label, button, input, a, li")].filter(one => one.checkVisibility());
    return Object.fromEntries(shown.map(one => {
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
        return [one.outerHTML, (a + 0.05) / (b + 0.05)];
    }));
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_on_a_narrow_screen_in_light_and_in_the_dark(server, chromium, scheme):
    """WCAG 2.2: 1.4.3 contrast, 1.4.10 reflow, 2.5.8 size of targets."""
    context = chromium.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    for name in PAGES:
        tab = Tab(context).open(f"{server.url}/account/{name}#token")
        expect(tab.page.get_by_role("button")).to_be_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 320, name
        contrasts = tab.page.evaluate(CONTRAST)
        assert len(contrasts) >= 4
        assert {html: round(value, 2) for html, value in contrasts.items() if value < 4.5} == {}
        for box in [one.bounding_box() for one in tab.page.locator("button, input").all()]:
            assert box is None or min(box["width"], box["height"]) >= 24
        assert tab.page.evaluate("document.documentElement.lang") == "en"
        for field in tab.page.locator("input").all():
            assert field.evaluate("one => one.labels.length") == 1
        tab.assert_quiet()
    context.close()


def test_a_browser_without_scripts_shows_why_nothing_happens_and_sends_nothing(server, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto(f"{server.url}/account/reset-password#token")

    assert "This page needs JavaScript." in page.locator("noscript p").inner_text()
    assert page.locator("noscript p").is_visible()
    assert not page.locator("#form").is_visible()
    context.close()


def test_who_presses_too_often_hears_how_long_to_wait_and_an_outage_is_no_dead_end(make_live, chromium):
    live = make_live("embedded", recovery_rate_limit="1/minute")
    context = chromium.new_context()
    tab = Tab(context).open(f"{live.url}/account/forgot-password")
    field = tab.page.get_by_label("Address")
    field.fill("somebody@example.com")
    tab.press("Send the message")
    tab.says("If there is an account with this address")

    tab.page.reload()
    field.fill("somebody@example.com")
    tab.press("Send the message")
    tab.says("Too many requests.", role="alert")
    assert re.search(r"Wait \d+ seconds before you try again", tab.page.get_by_role("alert").inner_text())
    live.stop()
    tab.press("Send the message")

    tab.says("The service cannot be reached just now.", role="alert")
    expect(tab.page.get_by_role("button", name="Send the message")).to_be_enabled()
    assert field.input_value() == "somebody@example.com"
    context.close()


@pytest.fixture
def prefixed(make_live, post):
    """A server behind somebody else's, which is reached below a path that it knows nothing of but PUBLIC_URL."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if not self.path.startswith("/identity/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            behind = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
            behind.request(self.command, self.path.removeprefix("/identity"), body, dict(self.headers))
            answer = behind.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding", "date"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            behind.close()

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_args):
            pass

    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    url = f"http://127.0.0.1:{proxy.server_address[1]}/identity"
    live = make_live("embedded", public_url=url, email_verification="required", **post.settings)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield live
    proxy.shutdown()
    thread.join()
    proxy.server_close()


def test_the_pages_work_below_a_path_that_a_proxy_adds(prefixed, post, tab):
    asked = register(prefixed, "ada-4")
    link = post.link(asked["email"], "verify-email")
    assert link.startswith(f"{prefixed.settings.public_url}/account/verify-email#")

    tab.open(link)
    tab.press("Confirm the address")

    tab.says("The address is confirmed.")
    assert tab.posts == [f"/identity{API}/auth/email/verify"]
    assert log_in(prefixed, asked).status == 200
    tab.assert_quiet()
