"""JupyterHub with the course, started for real: users, homes and machine are the test's own, the code is deploy/'s."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import requests
from conftest import PROXY, copy_course, environment, free_port, served
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from convcraft.commands import ROOT

PASSWORD = "a-password-for-tests-alone"
USERS = {"teacher": 4001, "ada": 4002, "ben": 4003}

_CONFIG = """
load_subconfig({deploy!r})
c = get_config()
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = {password!r}
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port = {hub_port}
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.services += [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles += [{{"name": "test", "services": ["test"], "scopes": ["list:users", "read:servers"]}}]
"""


INSIDE = Path("/srv/convcraft")


class Hub:
    """A hub in `scratch`, with a teacher and two students who are system users of that hub alone.

    The course is a fresh clone, made ready by deploy/README's own commands.

    Attributes:
        course, exchange, homes: where they are on the disk, as the machine's root sees them.
    """

    def __init__(self, scratch: Path):
        self.scratch, self.srv, self.homes = scratch, scratch / "srv", scratch / "homes"
        self.course = copy_course(self.srv / "convcraft/course")
        self.exchange = self.srv / "convcraft/exchange"
        self._own = self.srv / "convcraft/own"  # the test's
        self._server = contextlib.ExitStack()
        for folder in (self.homes, self._own):
            folder.mkdir()
        for name, number in USERS.items():
            (self.homes / name).mkdir()
            os.chown(self.homes / name, number, number)
            (self.homes / name).chmod(0o700)
        accounts = {
            "passwd": "".join(f"{name}:x:{number}:{number}::/home/{name}:/bin/sh\n" for name, number in USERS.items()),
            "group": "".join(f"{name}:x:{number}:\n" for name, number in USERS.items()),
        }
        for name, text in accounts.items():
            (scratch / name).write_text(Path("/etc", name).read_text() + text)
        # What is installed stays where it is.
        (self.course / ".venv").mkdir()
        for name in ("bin", "lib", "pyvenv.cfg"):
            (self.course / ".venv" / name).symlink_to(Path(sys.prefix, name))
        (self.course / ".venv/installed").touch()
        # An editable install names the package's own folder: the course's cannot be listed, a path would not find it.
        (self._own / "path").mkdir()
        (self._own / "path/convcraft").symlink_to(INSIDE / "course/convcraft")
        self._variables = {**environment(INSIDE / "own/path", self._own / "home"), "HOME": str(INSIDE / "own/home"),
                           "CONVCRAFT_STUDENTS": "ada ben"}
        self._walls = _walls(scratch, accounts)
        ports = {name: free_port() for name in ("port", "hub_port", "api_port")}
        self.url, self.token = f"http://127.0.0.1:{ports['port']}", uuid.uuid4().hex
        (self._own / "hub.py").write_text(_CONFIG.format(
            deploy=str(INSIDE / "course/deploy/jupyterhub_config.py"), proxy=[str(PROXY / "configurable-http-proxy")],
            token=self.token, password=PASSWORD, **ports))
        for line in _set_up():
            done = subprocess.run([*self._walls, "--chdir", str(INSIDE / "course"), "sh", "-c", line],
                                  env=self._variables, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"

    def start(self, **constants: object) -> None:
        """Start it, with other constants at the top of the configuration where some are named."""
        path = self.course / "deploy/jupyterhub_config.py"
        text = path.read_text()
        for name, value in constants.items():
            text, count = re.subn(rf"(?m)^{name} = \S+", f"{name} = {value!r}", text)
            assert count == 1, f"{path}: no constant {name}"
        path.write_text(text)
        self._server.enter_context(  # slow: all exams are sealed
            served(self._command(), f"{self.url}/hub/health", self.scratch / "hub.log", 600, env=self._variables))

    def refusal(self) -> str:
        """What it says where it does not start."""
        done = subprocess.run(self._command(), env=self._variables, capture_output=True, text=True, timeout=120)
        assert done.returncode, done.stdout
        return done.stderr

    def _command(self) -> list[str]:
        return [*self._walls, "--die-with-parent", "--chdir", str(INSIDE / "own"),
                sys.executable, "-m", "jupyterhub", "-f", str(INSIDE / "own/hub.py")]

    def stop(self) -> None:
        """Stop it, and with it everybody's server."""
        self._server.close()

    def login(self, name: str) -> "Person":
        return Person(self, name)

    def servers(self) -> set[str]:
        """Whose servers run."""
        users = requests.get(f"{self.url}/hub/api/users", headers={"Authorization": f"token {self.token}"}, timeout=120)
        return {user["name"] for user in users.json() if user["servers"]}


class Person:
    """A user who has logged in and whose server runs."""

    def __init__(self, hub: Hub, name: str):
        self.hub, self.name = hub, name
        self.session = requests.Session()
        self.base = f"{hub.url}/user/{name}"
        page = self.session.get(f"{hub.url}/hub/login", timeout=120)
        answer = self.session.post(
            f"{hub.url}/hub/login", timeout=120,
            data={"username": name, "password": PASSWORD, "_xsrf": page.cookies["_xsrf"]})
        assert answer.status_code == 200, answer.text[:500]
        self._wait()

    def _wait(self) -> None:
        """Follow the hub's own spawn page until the server answers."""
        for _ in range(600):
            answer = self.session.get(f"{self.base}/api/status", timeout=120)
            assert answer.status_code != 500, f"{self.name}'s server did not start; see hub.log"
            if answer.status_code == 200 and answer.headers["content-type"].startswith("application/json"):
                return
            self.session.get(f"{self.hub.url}/hub/spawn/{self.name}", timeout=120)
            time.sleep(0.3)
        raise AssertionError(f"{self.name}'s server never answered")

    def _headers(self) -> dict[str, str]:
        mine = [cookie.value for cookie in self.session.cookies
                if cookie.name == "_xsrf" and cookie.path.startswith(f"/user/{self.name}")]
        return {"X-XSRFToken": mine[0]} if mine else {}

    def get(self, path: str, **query) -> requests.Response:
        return self.session.get(f"{self.base}{path}?{urlencode(query)}", timeout=120)

    def post(self, path: str, **data) -> dict:
        answer = self.session.post(f"{self.base}{path}", data=data, headers=self._headers(), timeout=600)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json()

    def put(self, path: str, body: dict) -> None:
        answer = self.session.put(f"{self.base}{path}", json=body, headers=self._headers(), timeout=120)
        assert answer.status_code in (200, 201), answer.text[:1000]

    def run(self, code: str) -> str:
        """Run code in a kernel of this person's server; everything that it shows as plain text."""
        answer = self.session.post(f"{self.base}/api/kernels", json={}, headers=self._headers(), timeout=120)
        kernel = answer.json()["id"]
        try:
            return asyncio.run(self._run(kernel, code))
        finally:
            self.session.delete(f"{self.base}/api/kernels/{kernel}", headers=self._headers(), timeout=120)

    async def _run(self, kernel: str, code: str) -> str:
        url = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        socket = await websocket_connect(HTTPRequest(url, headers={"Cookie": cookies, **self._headers()}))
        number = uuid.uuid4().hex
        await socket.write_message(json.dumps({
            "header": {"msg_id": number, "msg_type": "execute_request", "username": self.name,
                       "session": uuid.uuid4().hex, "version": "5.4"},
            "parent_header": {}, "metadata": {}, "channel": "shell",
            "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False}}))
        shown = []
        while True:
            message = await asyncio.wait_for(socket.read_message(), 300)
            if message is None:
                return "".join(shown) + "\n(the kernel is gone)"
            message = json.loads(message)
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "stream":
                shown.append(content["text"])
            elif kind in ("display_data", "execute_result"):
                shown.append(content["data"].get("text/plain", ""))
            elif kind == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")
            elif (kind == "status" and content["execution_state"] == "idle"
                  and message["parent_header"].get("msg_id") == number):
                break  # the reply may overtake what was printed, this does not
        socket.close()
        return "".join(shown)


def _set_up() -> list[str]:
    """What deploy/README says to do in the course's folder once everything is installed."""
    block = re.search(r"```\n(.*?)```", (ROOT / "deploy/README.md").read_text(), re.S)[1].splitlines()
    start = next(number for number, line in enumerate(block) if line.startswith("make install"))
    return block[start + 1:-1]


def _walls(scratch: Path, accounts: Iterable[str]) -> list[str]:
    """The machine as the hub's users see it: what else this one has lying about is not the hub's."""
    walls = ["bwrap", "--cap-add", "ALL", "--dev-bind", "/", "/", "--tmpfs", "/root", "--chmod", "0755", "/root",
             "--tmpfs", "/tmp", "--chmod", "1777", "/tmp"]
    for prefix in sorted({sys.base_prefix, sys.prefix}):  # Python may live in a home that is closed
        for parent in reversed(Path(prefix).parents):
            if parent.is_relative_to("/root/") or parent.is_relative_to("/tmp/"):
                walls += ["--dir", str(parent), "--chmod", "0755", str(parent)]
        walls += ["--ro-bind", prefix, prefix]
    walls += ["--bind", str(scratch / "srv"), "/srv", "--bind", str(scratch / "homes"), "/home"]
    for name in accounts:
        walls += ["--ro-bind", str(scratch / name), f"/etc/{name}"]
    return walls
