"""Two hosts, as far as one machine can be two: network namespaces with a cable between them, one rank in each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

SCRIPT = """
import torch
from cthulhu.models import Lump

torch.manual_seed(0)
torch.set_num_threads(1)
model = Lump(torch.nn.Linear(6, 4))
model.conjure("adam", torch.nn.CrossEntropyLoss())
history = model.summon(torch.randn(64, 6), torch.randint(0, 4, (64,)), 8, epochs=2, verbose=0)
print("outcome", history.run.step, history.history["loss"])
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, str]]]:
    """Two namespaces, each with the name of its network card; the addresses are 10.231.7.1 and 10.231.7.2."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command to make network namespaces with")
    names = [f"cthulhu-{os.getpid()}-{number}" for number in (1, 2)]
    cards = [f"c{os.getpid() % 10**6}x{number}" for number in (1, 2)]
    with ExitStack() as stack:
        try:
            for name in names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "del", name)
            ip("link", "add", cards[0], "netns", names[0], "type", "veth", "peer", "name", cards[1], "netns", names[1])
            for number, (name, card) in enumerate(zip(names, cards, strict=True), 1):
                ip("-n", name, "addr", "add", f"10.231.7.{number}/24", "dev", card)
                for each in ("lo", card):
                    ip("-n", name, "link", "set", each, "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine allows no network namespaces: {error.stderr.strip()}")
        yield list(zip(names, cards, strict=True))


def test_script_trains_on_two_hosts(torchrun: Any, hosts: list[tuple[str, str]]) -> None:
    address = ("--master-addr", "10.231.7.1", "--master-port", "29511")
    jobs = [
        torchrun.start(
            SCRIPT,
            options=("--nnodes", "2", "--nproc-per-node", "1", "--node-rank", str(number), *address),
            within=("ip", "netns", "exec", name),
            CTHULHU_DISABLE="*",
            GLOO_SOCKET_IFNAME=card,
        )
        for number, (name, card) in enumerate(hosts)
    ]
    first, second = ([line for line in torchrun.output(job).splitlines() if line.startswith("outcome")] for job in jobs)
    assert first == second
    assert first[0].startswith("outcome 8 [")
