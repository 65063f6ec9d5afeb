"""Who may ask, and what comes with each answer."""

from __future__ import annotations

import pytest
import requests

TOKEN = "a-token-of-this-test"
PUBLISH = "/publish/epoch/end/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, monitor):
    """A server with a token."""
    guarded = type(monitor)(tmp_path_factory.mktemp("guarded") / "store.sqlite3", f"--token={TOKEN}")
    yield guarded
    ended = guarded.end()
    guarded.process.stdout.close()
    guarded.process.stderr.close()
    assert ended == (0, "", "")


def ask(monitor, path, method="GET", **headers):
    data = b'{"epoch": 0}' if method == "POST" else None
    headers = {"Content-Type": "application/json", **headers}
    return requests.request(method, monitor.url + path, data=data, headers=headers, timeout=10, allow_redirects=False)


# --- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/static/monitor.css", 200),
        ("GET", "/api/runs", 200),
        ("GET", "/nix", 404),
        ("GET", "/api/runs/nix", 404),
        ("POST", PUBLISH, 204),
        ("OPTIONS", PUBLISH, 204),
        ("PUT", PUBLISH, 405),
    ],
)
def test_every_answer_has_the_headers(monitor, method, path, status):
    answer = ask(monitor, path, method)
    assert answer.status_code == status
    assert answer.headers["Cthulhu-Monitor"] == "1"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Server" not in answer.headers
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# --- the name of the server -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9000", "[::1]", "[::1]:9000"])
def test_names_of_this_computer_are_served(monitor, host):
    assert ask(monitor, "/api/runs", Host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:9000",
        "",
        "[::1",
        "::1",
        "localhost:x",
        "[::2]",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/api/runs"), ("POST", PUBLISH)])
def test_other_names_are_refused(monitor, method, path, host):
    answer = ask(monitor, path, method, Host=host)
    assert answer.status_code == 403
    assert answer.json()["reason"].startswith(f"the Host is {host!r}: expected localhost, 127.0.0.1 or [::1]")
    assert "--token" in answer.json()["reason"]


def test_server_with_a_token_has_any_name(guarded):
    assert ask(guarded, "/api/runs", Host="any.example", Authorization=f"Bearer {TOKEN}").status_code == 200


# --- other pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:9000", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("path", [PUBLISH, "/login", "/nix"])
def test_post_from_another_page_is_refused(monitor, path, headers):
    answer = ask(monitor, path, "POST", Host="localhost:9000", **headers)
    assert answer.status_code == 403
    assert answer.json()["reason"].startswith("the request comes from another page")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:9000"},
        {"Origin": "https://localhost:9000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_post_from_the_own_page_is_taken(monitor, headers):
    assert ask(monitor, PUBLISH, "POST", Host="localhost:9000", **headers).status_code == 204


def test_token_does_not_help_another_page(guarded):
    headers = {"Authorization": f"Bearer {TOKEN}", "Origin": "http://evil.example"}
    assert ask(guarded, PUBLISH, "POST", **headers).status_code == 403


# --- the token --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/runs", 200), ("POST", PUBLISH, 204), ("OPTIONS", PUBLISH, 204), ("GET", "/", 200)],
)
def test_token_is_needed_and_opens(guarded, method, path, status):
    assert ask(guarded, path, method, Authorization=f"Bearer {TOKEN}").status_code == status
    assert ask(guarded, path, method, Authorization=f"bearer  {TOKEN}").status_code == status
    for given in (
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": ""},
    ):
        answer = ask(guarded, path, method, **given)
        if path == "/":
            assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
            continue
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "send the header 'Authorization: Bearer TOKEN'" in answer.json()["reason"]
        assert TOKEN not in answer.text


@pytest.mark.parametrize(
    "path", ["/api/events", "/api/runs/x", "/api/runs/x.csv", "/nix", "/static", "/loginx/../api/runs"]
)
def test_nothing_is_told_without_the_token(guarded, path):
    answer = ask(guarded, path)
    assert (answer.status_code, list(answer.json())) == (401, ["reason"])


def test_what_logging_in_needs_is_open(guarded):
    assert ask(guarded, "/login").status_code == 200
    assert ask(guarded, "/static/monitor.css").status_code == 200


def test_browser_logs_in_and_has_a_cookie(guarded):
    with requests.Session() as browser:
        answer = browser.post(f"{guarded.url}/login", {"token": TOKEN}, timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        said = answer.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(said.split("; "))
        (cookie,) = browser.cookies
        assert cookie.name == f"cthulhu-monitor-{guarded.port}"
        assert TOKEN not in said
        for path in ("/", "/api/runs"):
            assert browser.get(guarded.url + path, timeout=10).status_code == 200
        # Another server on this computer may have set cookies that no standard knows.
        among_others = {"Cookie": f'a={{"b": [1, 2]}}; {cookie.name}={cookie.value}; c'}
        assert requests.get(f"{guarded.url}/api/runs", headers=among_others, timeout=10).status_code == 200
        browser.cookies.set(cookie.name, cookie.value[:-1] + "x", domain=cookie.domain, path="/")
        assert browser.get(f"{guarded.url}/api/runs", timeout=10).status_code == 401


@pytest.mark.parametrize(
    "form", [{"token": "wrong"}, {"token": ""}, {}, {"token": "\ud800".encode("utf-8", "surrogatepass")}]
)
def test_wrong_token_does_not_log_in(guarded, form):
    answer = requests.post(f"{guarded.url}/login", form, timeout=10, allow_redirects=False)
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    assert "The token is wrong" in answer.text or "wrong" in answer.text


@pytest.mark.parametrize(
    "cookie", ["", "cthulhu-monitor", "cthulhu-monitor-{port}=", "cthulhu-monitor-{port}={token}", '=;;"', "é"]
)
def test_other_cookies_do_not_open(guarded, cookie):
    given = cookie.format(port=guarded.port, token=TOKEN).encode()
    assert ask(guarded, "/api/runs", Cookie=given).status_code == 401


def test_server_without_a_token_has_nothing_to_log_in_to(monitor):
    answer = ask(monitor, "/login")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


# --- the page ---------------------------------------------------------------------------------------------------------


def test_names_of_runs_are_text_in_the_page(monitor):
    monitor.publish(monitor.new_id(), {"begin": {"name": "<script>alert(1)</script>"}})
    text = monitor.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
