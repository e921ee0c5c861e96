// The pages to which links in messages lead. What is secret in the link goes to the API, when somebody presses the button, and nowhere
// else. Texts that come back are shown as text, never as markup.
"use strict";

const page = document.querySelector("main");
const form = document.getElementById("form");
const button = document.getElementById("button");
const problem = document.getElementById("problem");
const done = document.getElementById("done");
const help = document.getElementById("help");
const password = document.getElementById("new-password");
const again = document.getElementById("again");
const rules = document.getElementById("rules");
const email = document.getElementById("email");
const api = new URL(`${page.dataset.api}/`, document.baseURI);

const PAUSE_MS = 400;
// Less than a browser asks for: there are addresses with letters that it does not know. The service knows better.
const ADDRESS = /^[^\s@]+@[^\s@]+$/;
const INCOMPLETE = "The link is not complete. Open it from the message, or copy it whole into the address bar.";
const UNREACHABLE = "The service cannot be reached just now. Check the connection and try again.";
const UNKNOWN = "Something went wrong. Try again in a few minutes.";
const WEAK = "This password will not do. What it lacks is listed below it.";
const DIFFERENT = "The two passwords are not the same.";

// Out of the address bar, of the way back, and of what somebody copies from there. The browser's own list of visited pages keeps it: that
// is why links are short-lived and work once.
const token = window.location.hash.slice(1);
window.history.replaceState(null, "", window.location.pathname);
// A second link, opened in the same tab: only what is behind the # changes then, and nothing would be loaded.
window.addEventListener("hashchange", () => window.location.reload());

async function call(endpoint, body) {
  const answer = await fetch(new URL(endpoint, api), {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json, application/problem+json" },
    body: JSON.stringify(body),
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });
  // Whoever stands between us and the service may answer with a page of his own.
  const isOurs = /^application\/(problem\+)?json/.test(answer.headers.get("Content-Type") || "");
  return { isGood: answer.ok, wait: Number(answer.headers.get("Retry-After")), told: isOurs ? await answer.json() : {} };
}

function say(place, text) {
  problem.textContent = "";
  done.textContent = "";
  place.textContent = text;
  place.focus();
}

function showRules(faults) {
  const list = document.createElement("ul");
  for (const fault of faults) {
    const line = document.createElement("li");
    line.textContent = fault.detail;
    list.append(line);
  }
  rules.replaceChildren(...(faults.length ? [list] : []));
  password.setAttribute("aria-invalid", String(faults.length > 0));
}

function sentenceAbout({ wait, told }) {
  const sentences = [told.detail || UNKNOWN, ...(told.errors || []).map((fault) => fault.detail)];
  if (wait > 0) {
    sentences.push(`Wait ${wait < 90 ? `${wait} seconds` : `${Math.ceil(wait / 60)} minutes`} before you try again.`);
  }
  return sentences.join(" ");
}

function isReady() {
  if (email && !ADDRESS.test(email.value.trim())) {
    email.setAttribute("aria-invalid", "true");
    say(problem, "This is not an email address.");
    email.focus();
    return false;
  }
  if (password && (!password.value || password.value !== again.value)) {
    again.setAttribute("aria-invalid", "true");
    document.getElementById("differs").textContent = DIFFERENT;
    (password.value ? again : password).focus();
    return false;
  }
  return true;
}

function wanted() {
  if (email) {
    return { email: email.value.trim() };
  }
  return password ? { token, new_password: password.value } : { token };
}

async function send(event) {
  event.preventDefault();
  if (!isReady()) {
    return;
  }
  button.disabled = true;
  try {
    const answer = await call(page.dataset.endpoint, wanted());
    if (answer.isGood) {
      form.hidden = true;
      form.reset();
      say(done, page.dataset.done);
    } else if (answer.told.code === "weak_password") {
      showRules(answer.told.errors);
      say(problem, WEAK);
      password.focus();
    } else {
      say(problem, sentenceAbout(answer));
      form.hidden = answer.told.code === "invalid_link";
      if (help) {
        help.hidden = !form.hidden;
      }
    }
  } catch {
    say(problem, UNREACHABLE);
  } finally {
    button.disabled = false;
  }
}

// What the password lacks, while it is typed: only the last question's answer counts, and none is no obstacle.
let question = 0;
let pause = 0;
async function check() {
  const mine = ++question;
  const typed = password.value;
  if (!typed) {
    showRules([]);
    return;
  }
  try {
    const answer = await call("auth/password/check", { password: typed });
    if (mine === question && answer.isGood) {
      showRules(answer.told.errors);
    }
  } catch {
    // Found again when the form is sent.
  }
}

if (password) {
  password.addEventListener("input", () => {
    window.clearTimeout(pause);
    pause = window.setTimeout(check, PAUSE_MS);
  });
  for (const field of [password, again]) {
    field.addEventListener("input", () => {
      if (password.value === again.value) {
        again.removeAttribute("aria-invalid");
        document.getElementById("differs").textContent = "";
      }
    });
  }
  const shown = document.getElementById("shown");
  shown.addEventListener("change", () => {
    for (const field of [password, again]) {
      field.type = shown.checked ? "text" : "password";
    }
  });
}
if (email) {
  email.addEventListener("input", () => email.removeAttribute("aria-invalid"));
}
form.addEventListener("submit", send);

if (token || email) {
  form.hidden = false;
} else {
  problem.textContent = INCOMPLETE;
}
