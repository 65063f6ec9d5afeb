"""The command: what it says, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version

import pytest
import requests

COMMAND = [sys.executable, "-m", "cthulhu_remote.server.command"]


def command(*arguments, **variables):
    """Run it where it is not to start; its exit status, and what it says."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, env={**os.environ, **variables}
    )
    return done.returncode, done.stdout, done.stderr


# --- the beginning ----------------------------------------------------------------------------------------------------


def test_it_says_where_it_is_and_how_to_report(start, tmp_path):
    monitor = start()
    assert monitor.said == [
        f"page       http://127.0.0.1:{monitor.port}/\n",
        f"store      {tmp_path / 'store.sqlite3'}\n",
        f"report by  callbacks=[RemoteMonitor(root='http://127.0.0.1:{monitor.port}')]\n",
        "Press Ctrl-C to stop.\n",
    ]
    assert monitor.get("/").status_code == 200


def test_token_is_never_said(start):
    monitor = start(CTHULHU_MONITOR_TOKEN="the-token")
    assert "headers={'Authorization': 'Bearer ...'}" in monitor.said[2]
    assert monitor.get("/api/runs").status_code == 401
    assert monitor.get("/api/runs", headers={"Authorization": "Bearer the-token"}).status_code == 200
    assert monitor.get("/api/runs", headers={"Authorization": "Bearer the-tokex"}).status_code == 401
    status, out, err = monitor.end()
    assert (status, "the-token" in "".join(monitor.said) + out + err) == (0, False)


def test_store_is_in_the_working_directory_by_default(tmp_path):
    process = subprocess.Popen([*COMMAND, "--port=0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    with process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGTERM)
    assert lines[1] == f"store      {tmp_path / 'cthulhu-monitor.sqlite3'}\n"
    assert (tmp_path / "cthulhu-monitor.sqlite3").exists()


def test_localhost_is_all_of_its_addresses(start):
    monitor = start("--host=localhost")
    assert monitor.url == f"http://localhost:{monitor.port}"
    for address in {found[4][0] for found in socket.getaddrinfo("localhost", monitor.port, type=socket.SOCK_STREAM)}:
        socket.create_connection((address, monitor.port), 5).close()
    assert monitor.get("/api/runs").status_code == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_loopback_of_ipv6_needs_no_token(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6")
    monitor = start("--host=::1")
    assert monitor.url == f"http://[::1]:{monitor.port}"
    assert monitor.get("/api/runs").status_code == 200


def test_port_that_is_taken_is_an_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = command("--port", port, "--store", tmp_path / "store")
    assert (status, out) == (1, "")
    assert err == (
        f"cthulhu-monitor cannot listen on 127.0.0.1, port {port} (Address already in use): another program uses it, "
        "maybe another cthulhu-monitor: stop it, or choose another port with --port\n"
    )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("host", ["nowhere.invalid", "", "a" * 300])
def test_host_without_address_is_an_error(host, tmp_path):
    status, out, err = command(f"--host={host}", "--port=0", "--token=x", "--store", tmp_path / "store")
    assert (status, out) == (1, "")
    assert "set --host to a name of this computer" in err


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_address_that_others_can_reach_needs_a_token(host, tmp_path):
    status, out, err = command("--host", host, "--port=0", "--store", tmp_path / "store")
    if "cannot listen" in err:
        pytest.skip("needs IPv6")
    assert (status, out) == (2, "")
    assert err.startswith(f"other computers can reach the server at {host}: protect it with a token")
    tokens = re.findall(r"--token ([\w-]{32}) or the same in the variable CTHULHU_MONITOR_TOKEN", err)
    assert len(tokens) == 1
    assert tokens[0] not in command("--host", host, "--port=0", "--store", tmp_path / "store")[2]
    assert not (tmp_path / "store").exists()


def test_address_that_others_can_reach_is_served_with_a_token(start):
    monitor = start("--host=0.0.0.0", "--token=the-token")
    answer = requests.get(
        f"http://127.0.0.1:{monitor.port}/api/runs", headers={"Authorization": "Bearer the-token"}, timeout=10
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["", "a b", "é", "a\nb"])
def test_token_that_cannot_be_sent_is_an_error(token, tmp_path):
    for given in ({"CTHULHU_MONITOR_TOKEN": token}, {}):
        arguments = [] if given else [f"--token={token}"]
        status, _, err = command("--port=0", "--store", tmp_path / "store", *arguments, **given)
        assert (status, err.partition(":")[0]) == (
            2,
            "the token is empty, or has characters that a header cannot contain",
        )


@pytest.mark.parametrize("argument", ["--port=-1", "--port=65536", "--port=x", "--max-runs=0", "--max-runs=x", "x"])
def test_arguments_that_it_does_not_take(argument):
    status, out, err = command(argument)
    assert (status, out) == (2, "")
    assert err.startswith("usage: cthulhu-monitor ")


# --- without the extra ------------------------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(["httptools", "jinja2", "sse_starlette", "starlette", "uvicorn"]))
from cthulhu_remote.server.command import main
sys.exit(main(sys.argv[1:]))
"""


def without_extra(*arguments):
    done = subprocess.run([sys.executable, "-c", WITHOUT, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_without_the_extra_one_sentence_says_so():
    said = 'cthulhu-monitor needs what the extra "server" brings: pip install "cthulhu-remote[server]"\n'
    assert without_extra() == (1, "", said)


def test_help_needs_no_extra():
    status, out, err = without_extra("--help")
    assert (status, err) == (0, "")
    for word in ("--host", "--port", "--store", "--token", "--max-runs", "RemoteMonitor()", "CTHULHU_MONITOR_TOKEN"):
        assert word in out


def test_version_is_that_of_the_package():
    try:
        expected = version("cthulhu-remote")
    except PackageNotFoundError:
        pytest.skip("needs the package to be installed")
    assert command("--version") == (0, f"cthulhu-remote {expected}\n", "")


# --- the store --------------------------------------------------------------------------------------------------------


def refused(path):
    status, out, err = command("--port=0", "--store", path)
    assert (status, out) == (1, "")
    assert err.startswith(f"the store {str(path)!r} ")
    assert "--store" in err
    return err


def test_file_that_is_not_of_sqlite_is_an_error(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but notes that nobody wants to lose\n" * 100)
    assert "is not a SQLite file or is damaged" in refused(path)
    assert path.read_text().startswith("not a database")


def test_file_of_another_program_is_an_error(tmp_path):
    path = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE runs (id)")
    before = path.read_bytes()
    assert "is a file of another program: name another file with --store" in refused(path)
    assert path.read_bytes() == before


def test_store_of_a_newer_version_is_an_error(start, tmp_path):
    monitor = start()
    monitor.end()
    with closing(sqlite3.connect(monitor.store)) as store:
        store.execute("PRAGMA user_version = 2")
    assert (
        "has the layout 2, but this version of cthulhu-remote supports only those up to 1: install a newer one"
        in refused(monitor.store)
    )


@pytest.mark.parametrize("name", ["", "missing/store"])
def test_path_that_cannot_be_written_is_an_error(tmp_path, name):
    assert "cannot be written (unable to open database file)" in refused(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_store_without_permission_is_an_error(start):
    monitor = start()
    monitor.end()
    monitor.store.chmod(0o400)
    assert "cannot be written" in refused(monitor.store)


def test_store_shows_again_what_was_reported(start):
    monitor = start()
    monitor.publish("a", {"begin": {"name": "train"}}, {"epoch": 0, "batch": 1, "loss": 1}, {"epoch": 0, "loss": 2})
    before = monitor.get("/api/runs").json()["runs"], monitor.run("a")
    monitor.end()
    monitor = start()
    assert (monitor.get("/api/runs").json()["runs"], monitor.run("a")) == before
    assert monitor.publish("a", {"epoch": 0, "loss": 3}, first=0).status_code == 204
    assert monitor.run("a") == before[1]


def test_store_in_use_is_read_by_others(start):
    monitor = start()
    monitor.publish("a", {"epoch": 0})
    with closing(sqlite3.connect(monitor.store)) as store:
        assert store.execute("SELECT id FROM runs").fetchall() == [("a",)]
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_while_pages_listen(start, listen, asked):
    monitor = start()
    pages = [listen(monitor) for _ in range(5)]
    monitor.publish("a", {"epoch": 0})
    begun = time.monotonic()
    ended = monitor.end(asked)
    assert ended == (0, "", "")
    assert time.monotonic() - begun < 2
    assert [message["points"][0]["run"] for message in pages[0]] in (["a"], [])
    for page in pages[1:]:
        list(page)  # it has an end
    assert sorted(path.name for path in monitor.store.parent.iterdir()) == ["store.sqlite3"]


def test_it_ends_when_it_is_asked_twice(start, listen):
    monitor = start()
    listen(monitor)
    monitor.publish("a", {"epoch": 0})
    monitor.process.send_signal(signal.SIGINT)
    assert monitor.end(signal.SIGINT) == (0, "", "")


def test_it_ends_while_a_client_takes_nothing(start):
    monitor = start()
    for epoch in range(12):  # more than the network holds
        monitor.publish("a", {"epoch": epoch, **{f"text {n}": "x" * 9000 for n in range(100)}})
    with socket.create_connection(("127.0.0.1", monitor.port), 10) as client:
        client.sendall(b"GET /api/runs/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"
        begun = time.monotonic()
        assert monitor.end() == (0, "", "")
        assert time.monotonic() - begun < 3


def test_it_ends_while_much_is_published(start):
    monitor = start()
    taken = []

    def publish(number):
        with requests.Session() as session:
            for n in range(100_000):
                event = {"epoch": 0, "batch": n}
                said = f'{{"run":"r{number}","sender":"s{number}","events":[[{n},1]]}}'
                try:
                    answer = session.post(
                        f"{monitor.url}/publish/epoch/end/", json=event, headers={"Cthulhu-Event": said}, timeout=10
                    )
                except requests.ConnectionError:
                    return
                assert answer.status_code == 204
                taken.append((f"r{number}", n))

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    assert monitor.end() == (0, "", "")
    for thread in threads:
        thread.join()
    with closing(sqlite3.connect(monitor.store)) as store:
        kept = set(store.execute("SELECT id, batches.batch FROM batches JOIN runs ON batches.run = runs.key"))
    assert len(taken) > 20
    assert set(taken) <= kept
