"""What is neither time nor a comparison with kinto-http: memory, requests, and what an import costs."""

from __future__ import annotations

import json
import subprocess
import sys

from kinto_models import Client
from kinto_models.protocol.messages import Request, Response
from kinto_models.transports.base import Transport
from tests.benchmarks.kinto import AUTH
from tests.benchmarks.measuring import WALL, Measured, in_turns
from tests.benchmarks.models import Task, stored
from tests.benchmarks.recorded import replaying

ITERATED = 100_000

# In a process of its own, whose peak nothing else has raised; what loading the code takes is no memory of iterating.
_ITERATE = """
import sys
from kinto_models import Client
from tests.benchmarks.models import Task

def peak():  # of this process alone, in KiB: what getrusage() tells begins with its parent's
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

with Client(sys.argv[1]) as client:
    tasks = client.repository(Task)
    assert len(tasks.find().limit(10).all()) == 10
    before = peak()
    assert sum(1 for _ in tasks.find()) == int(sys.argv[2])
    print(peak() - before)
"""


def memory() -> float:
    """MiB that iterating 100,000 records adds to the process at most."""
    with replaying({}, listed=ITERATED, record=json.dumps(stored(1)).encode()) as root:
        done = subprocess.run(
            [sys.executable, "-c", _ITERATE, root, str(ITERATED)], capture_output=True, text=True, check=True
        )
    return int(done.stdout) / 1024


def unchanged(root: str) -> int:
    """Requests of a ``save()`` of what has not changed."""
    with Client(root, auth=AUTH) as client:
        task = client.repository(Task).get("00000001-0000-4000-8000-000000000000")
        counted = _Counted(client._runner.transport)
        client._runner.transport = counted
        task.save()
        return counted.requests


class _Counted:
    """A transport that counts."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.requests = 0

    @property
    def root(self) -> str:
        return self._transport.root

    def send(self, request: Request) -> Response:
        self.requests += 1
        return self._transport.send(request)

    def close(self) -> None:
        self._transport.close()


def imports() -> dict[str, Measured]:
    """A process that only imports the package, and one that takes its two main names, each against what they need."""
    lines = {
        "ours": "import kinto_models",
        "pydantic and requests": "import pydantic, requests",
        "ours, used": "from kinto_models import Client, Record",
        "pydantic and requests, used": "from pydantic import BaseModel; import requests",
    }
    works = {
        name: lambda line=line: subprocess.run([sys.executable, "-c", line], check=True) for name, line in lines.items()
    }
    return in_turns(works, rounds=7, clock=WALL)
