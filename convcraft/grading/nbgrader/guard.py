"""nbgrader's own commands and pages, guarded against what students hand in.

nbgrader has no seam for these: what it reads of a submission's time, which extra files it copies into `autograded/`,
and what its formgrader's pages let run. `nbgrader_config.py` calls `guard`, so whatever reads the course's
configuration (each command, the formgrader in JupyterLab) is guarded.
"""

import base64
import contextvars
import hashlib
import html
import os
import re
import secrets
import stat
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Environment
from jinja2.ext import Extension
from nbconvert.exporters import HTMLExporter
from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.zipcollectapp import ZipCollectApp
from nbgrader.converters import base as converters
from nbgrader.coursedir import CourseDirectory
from nbgrader.server_extensions.formgrader import base, formgrader, handlers
from tornado import web

from convcraft.grading.nbgrader import notes
from convcraft.grading.notebook.submitted import MAX_BYTES
from convcraft.language import N_, _

NO_ZIP_COLLECT = N_(
    "`nbgrader zip_collect` unpacks whatever an archive holds, of any size: not for what strangers hand in. "
    "`convcraft collect FILE.zip --assignment NAME` takes what Canvas and Moodle export.")
_nonce = contextvars.ContextVar("nonce", default="")
_HANDLER = re.compile(r"\son\w+=\"([^\"{]+)\"", re.I)
_SCRIPT = re.compile(r"<script\b")
_ODD = re.compile(r"[\\\"'<>&`\x00-\x1f\x7f]")
_original = {"find": converters.find_all_files, "settings": formgrader.FormgradeExtension.init_tornado_settings,
             "prepare": base.BaseHandler.prepare, "policy": base.BaseHandler.content_security_policy.fget,
             "exporter": base.BaseHandler.exporter.fget}


def guard() -> None:
    """Guard nbgrader in this process; a second call changes nothing more."""
    ZipCollectApp.start = _refuse
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    NbGraderAPI.get_submitted_timestamp = _submitted_timestamp
    converters.find_all_files = _regular_files
    formgrader.FormgradeExtension.init_tornado_settings = _init_tornado_settings
    base.BaseHandler.prepare = _prepare
    base.BaseHandler.exporter = property(_exporter)
    base.BaseHandler.content_security_policy = property(lambda handler: _policy(handler))
    handlers.SubmissionFilesHandler.content_security_policy = property(
        lambda handler: f"sandbox; {_policy(handler)}")  # what a student has handed in is nobody's page


# --- what nbgrader reads -----------------------------------------------------------------------------------------

def _refuse(app: ZipCollectApp) -> NoReturn:
    """`convcraft collect` goes the same way with limits, of regular files alone.

    Raises:
        SystemExit: always.
    """
    app.log.error(_(NO_ZIP_COLLECT))
    raise SystemExit(1)


def _existing_timestamp(coursedir: CourseDirectory, folder: str) -> datetime | None:
    """A submission's time, as `convcraft grade` reads it."""
    if sentence := notes.remark(Path(folder)):
        coursedir.log.warning("%s: %s", folder, sentence)
    return notes.timestamp(Path(folder))


def _submitted_timestamp(api: NbGraderAPI, assignment: str, student: str) -> datetime | None:
    """The same for the formgrader's lists."""
    coursedir = api.coursedir
    return _existing_timestamp(coursedir, coursedir.format_path(coursedir.submitted_directory, student, assignment))


def _regular_files(path: str, exclude: list[str] | None = None) -> list[str]:
    """The files beside a notebook that nbgrader copies: files themselves, no links, no pipes, none that are huge."""
    return [each for each in _original["find"](path, exclude) if _is_small_file(each)]


def _is_small_file(path: str) -> bool:
    facts = os.lstat(path)
    return stat.S_ISREG(facts.st_mode) and facts.st_size <= MAX_BYTES


# --- the formgrader's pages --------------------------------------------------------------------------------------

class _Nonces(Extension):
    """Marks the scripts that stand in nbgrader's own templates, before anything is put into them."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _SCRIPT.sub('<script nonce="{{ csp_nonce() }}"', source)


def _init_tornado_settings(extension: formgrader.FormgradeExtension, webapp: Any) -> None:
    _original["settings"](extension, webapp)
    pages: Environment = webapp.settings["nbgrader_jinja2_env"]
    pages.autoescape = True
    exporter: HTMLExporter = webapp.settings["nbgrader_exporter"]
    for environment in (pages, exporter.environment):
        environment.add_extension(_Nonces)
        environment.globals["csp_nonce"] = _nonce.get


def _policy(handler: base.BaseHandler) -> str:
    """Nothing runs but nbgrader's own scripts: no attribute, no address, no file of a student's."""
    if not hasattr(handler, "_nonce"):
        handler._nonce = secrets.token_urlsafe(16)
    rest: str = _original["policy"](handler)
    allowed = " ".join(["'unsafe-hashes'", *_event_handlers()])
    return f"script-src 'nonce-{handler._nonce}' {allowed}; object-src 'none'; base-uri 'none'; {rest}"


@cache
def _event_handlers() -> list[str]:
    """Hashes of what nbgrader's templates write into `onclick` and the like."""
    found = {code for path in Path(handlers.template_path).rglob("*") if path.suffix in (".tpl", ".j2")
             for code in _HANDLER.findall(path.read_text(encoding="utf-8"))}
    return [f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in sorted(found)]


async def _prepare(handler: base.BaseHandler) -> None:
    """Before a request is answered: no part of its address may mean anything to HTML or JavaScript.

    Raises:
        HTTPError: one does.
    """
    await _original["prepare"](handler)
    if any(part and _ODD.search(part) for part in [*handler.path_args, *handler.path_kwargs.values()]):
        raise web.HTTPError(404)
    _nonce.set(handler._nonce)


class _Escaping:
    """nbconvert's exporter, whose templates take what they are told about a submission as HTML."""

    def __init__(self, exporter: HTMLExporter):
        self._exporter = exporter

    def from_filename(self, filename: str, resources: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        plain = {name: html.escape(value) if isinstance(value, str) else value for name, value in resources.items()}
        exported: tuple[str, dict[str, Any]] = self._exporter.from_filename(filename, resources=plain)
        return exported


def _exporter(handler: base.BaseHandler) -> _Escaping:
    return _Escaping(_original["exporter"](handler))
