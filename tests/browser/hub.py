"""JupyterHub with the course, started for real: users, homes and machine are the test's own, the code is deploy/'s."""

import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlencode

import requests
from conftest import PROXY, copy_course, environment, free_port, served
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

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
c.JupyterHub.services[0]["command"] += ["--cull-every=1000"]
c.JupyterHub.services += [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles += [{{"name": "test", "services": ["test"], "scopes": [
    "list:users", "read:users:activity", "read:servers", "delete:servers"]}}]
"""


class Hub:
    """Where it answers, and what is on its disk (as the machine's root sees it)."""

    def __init__(self, url: str, course: Path, state: Path, homes: Path, token: str):
        self.url, self.course, self.state, self.homes, self.token = url, course, state, homes, token

    def login(self, name: str) -> "Person":
        return Person(self, name)

    def servers(self) -> set[str]:
        """Whose servers run."""
        users = requests.get(f"{self.url}/hub/api/users", headers={"Authorization": f"token {self.token}"}, timeout=10)
        return {user["name"] for user in users.json() if user["servers"]}


class Person:
    """A user who has logged in and whose server runs."""

    def __init__(self, hub: Hub, name: str):
        self.hub, self.name = hub, name
        self.session = requests.Session()
        self.base = f"{hub.url}/user/{name}"
        page = self.session.get(f"{hub.url}/hub/login", timeout=30)
        answer = self.session.post(
            f"{hub.url}/hub/login", timeout=120,
            data={"username": name, "password": PASSWORD, "_xsrf": page.cookies["_xsrf"]})
        assert answer.status_code == 200, answer.text[:500]
        self._wait()

    def _wait(self) -> None:
        """Follow the hub's own spawn page until the server answers."""
        for _ in range(300):
            answer = self.session.get(f"{self.base}/api/status", timeout=60)
            assert answer.status_code != 500, f"{self.name}'s server did not start; see hub.log"
            if answer.status_code == 200 and answer.headers["content-type"].startswith("application/json"):
                return
            self.session.get(f"{self.hub.url}/hub/spawn/{self.name}", timeout=60)
            time.sleep(0.3)
        raise AssertionError(f"{self.name}'s server never answered")

    def _headers(self) -> dict[str, str]:
        mine = [cookie.value for cookie in self.session.cookies
                if cookie.name == "_xsrf" and cookie.path.startswith(f"/user/{self.name}")]
        return {"X-XSRFToken": mine[0]} if mine else {}

    def get(self, path: str, **query) -> requests.Response:
        return self.session.get(f"{self.base}{path}?{urlencode(query)}", timeout=120)

    def post(self, path: str, **data) -> dict:
        answer = self.session.post(f"{self.base}{path}", data=data, headers=self._headers(), timeout=300)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:1000]}"
        return answer.json()

    def put(self, path: str, body: dict) -> None:
        answer = self.session.put(f"{self.base}{path}", json=body, headers=self._headers(), timeout=60)
        assert answer.status_code in (200, 201), answer.text[:1000]

    def run(self, code: str) -> str:
        """Run code in a kernel of this person's server; everything that it shows as plain text."""
        answer = self.session.post(f"{self.base}/api/kernels", json={}, headers=self._headers(), timeout=60)
        kernel = answer.json()["id"]
        try:
            return asyncio.run(self._run(kernel, code))
        finally:
            self.session.delete(f"{self.base}/api/kernels/{kernel}", headers=self._headers(), timeout=60)

    async def _run(self, kernel: str, code: str) -> str:
        url = f"{self.base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        socket = await websocket_connect(HTTPRequest(url, headers={"Cookie": cookies, **self._headers()}))
        await socket.write_message(json.dumps({
            "header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": self.name,
                       "session": uuid.uuid4().hex, "version": "5.4"},
            "parent_header": {}, "metadata": {}, "channel": "shell",
            "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False}}))
        shown = []
        while True:
            message = await asyncio.wait_for(socket.read_message(), 120)
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
            elif kind == "execute_reply":
                break
        socket.close()
        return "".join(shown)


@contextlib.contextmanager
def running(scratch: Path):
    """A hub in `scratch`, with a teacher and two students who are system users of that hub alone."""
    course, state, homes = copy_course(scratch / "course"), scratch / "state", scratch / "homes"
    for folder in (state, homes):
        folder.mkdir()
    for name, number in USERS.items():
        (homes / name).mkdir()
        os.chown(homes / name, number, number)
        (homes / name).chmod(0o700)
    for path in [course, *course.rglob("*")]:
        os.chown(path, USERS["teacher"], USERS["teacher"])
    for path in course.iterdir():
        if path.name not in ("convcraft", "deploy"):
            path.chmod(path.stat().st_mode & 0o770)
    course.chmod(0o711)
    accounts = {
        "passwd": "".join(f"{name}:x:{number}:{number}::/home/{name}:/bin/sh\n" for name, number in USERS.items()),
        "group": "".join(f"{name}:x:{number}:\n" for name, number in USERS.items()),
    }
    for name, text in accounts.items():
        (scratch / name).write_text(Path("/etc", name).read_text() + text)
    ports = {name: free_port() for name in ("port", "hub_port", "api_port")}
    token = uuid.uuid4().hex
    inside = Path("/srv/convcraft")
    (state / "hub.py").write_text(_CONFIG.format(
        deploy=str(inside / "course/deploy/jupyterhub_config.py"), proxy=[str(PROXY / "configurable-http-proxy")],
        token=token, password=PASSWORD, **ports))
    walls = ["bwrap", "--cap-add", "ALL", "--dev-bind", "/", "/", "--tmpfs", "/root", "--chmod", "0755", "/root",
             "--tmpfs", "/tmp", "--chmod", "1777", "/tmp"]  # what else this machine has lying about is not the hub's
    for prefix in sorted({sys.base_prefix, sys.prefix}):  # Python may live in a home that is closed
        for parent in reversed(Path(prefix).parents):
            if parent.is_relative_to("/root/") or parent.is_relative_to("/tmp/"):
                walls += ["--dir", str(parent), "--chmod", "0755", str(parent)]
        walls += ["--ro-bind", prefix, prefix]
    walls += ["--tmpfs", "/srv", "--chmod", "0755", "/srv", "--dir", str(inside), "--chmod", "0755", str(inside),
              "--bind", str(scratch / "course"), str(inside / "course"),
              "--bind", str(state), str(inside / "state"), "--bind", str(homes), "/home"]
    for name in accounts:
        walls += ["--ro-bind", str(scratch / name), f"/etc/{name}"]
    walls += ["--die-with-parent", "--chdir", str(inside / "state")]
    # An editable install names the package's own folder: the course's cannot be listed, so a path would not find it.
    (state / "path").mkdir()
    (state / "path" / "convcraft").symlink_to(inside / "course" / "convcraft")
    variables = {**environment(inside / "state/path", state / "home"), "HOME": str(inside / "state/home"),
                 "CONVCRAFT_STUDENTS": "ada ben",
                 "CONVCRAFT_STATE": str(inside / "state/hub")}
    command = [*walls, sys.executable, "-m", "jupyterhub", "-f", str(inside / "state/hub.py")]
    url = f"http://127.0.0.1:{ports['port']}"
    with served(command, f"{url}/hub/health", scratch / "hub.log", env=variables):
        yield Hub(url, course, state, homes, token)
