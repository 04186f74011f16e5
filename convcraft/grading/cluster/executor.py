"""`concurrent.futures.Executor` on a Dask cluster. Dask gives out the work; this asks again where it failed.

A task is asked for again when the scheduler was restarted, when its worker ended or never answered, and when a worker
refused. Whoever refused or never answered is left alone for a minute: somebody may have mended it by then.

A task that was being done when a worker ended is done apart from then on, in a process of its own. Only where that
process ends by itself, and the worker is still there to say so, is the task at fault (see `apart`): workers that
just go cost time, however many of them do.
"""

import asyncio
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from distributed import Client, KilledWorker, Worker, get_worker
from distributed.client import Future as DaskFuture
from distributed.utils import sync

from convcraft.grading.cluster.apart import EndedError, call_apart
from convcraft.grading.cluster.worker import RefusedError
from convcraft.grading.errors import GAVE_UP, GaveUpError, GradingError, UngradedError
from convcraft.language import N_, _

REFUSED = N_("The worker at {address} ({host}) grades nothing: {reason}")
SILENT = N_("The worker at {address} has not answered for {seconds:.0f} seconds; its work was given to another one.")
NO_WORKER = N_("No worker is left that grades. What was graded stands; mend a worker and grade again.")
GONE = N_("The scheduler does not answer any more. What was graded stands; start the scheduler, and grade again.")
NOBODY_SAYS = N_("{count} times a worker was lost while it ran, or its process ended from outside ({addresses}). Have "
                 "the machines memory enough? Grade again.")
_BEGUN = "convcraft-begun"
_LOSSES = 10  # of a task: then somebody looks at it, or at the machines
_START_APART = 60.0  # seconds more for a process of its own, which has yet to import
_PARDON = 60.0  # seconds
_GLANCE = 1.0


@dataclass
class _Job:
    """A task that was asked for, perhaps several times.

    Attributes:
        wanted: the only workers that may have it; empty for all.
        worker: who has begun it.
        due: when that one, or another one, should have answered.
        lost: the workers that ended with it, or never answered. With the first one it is done apart.
    """

    work: bytes
    answer: Future[Any] = field(default_factory=Future)
    task: DaskFuture[Any] | None = None
    wanted: frozenset[str] = frozenset()
    worker: str = ""
    due: float = 0.0
    lost: list[str] = field(default_factory=list)


class Workers(Executor):
    """The workers of a Dask cluster.

    Args:
        client: connected; the caller closes it.
        patience: seconds after which a worker that has begun a task counts as silent.
        notice: is told sentences about workers, each once.
    """

    def __init__(self, client: Client, patience: float, notice: Callable[[str], None]):
        self._client, self._patience, self._notice = client, patience, notice
        self._jobs: dict[str, _Job] = {}
        self._shunned: dict[str, float] = {}  # address → until when
        self._said: set[str] = set()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        client.sync(self._prepare)
        self._is_prepared = True
        self._present = frozenset(client.scheduler_info()["workers"])
        self._watcher = threading.Thread(target=self._watch, name="convcraft-cluster", daemon=True)
        self._watcher.start()

    @property
    def workers(self) -> int:
        """How many there are that may be given work."""
        return len(self._present - self._shunned.keys())

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `function` called on a worker.

        The answer raises GaveUpError where it ends what does it, UngradedError where that may be but nobody saw it,
        GradingError where nobody can be asked.
        """
        job = _Job(pickle.dumps((function, args, kwargs)))
        self._ask(job)
        return job.answer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ask for nothing more, and let go of what was asked for."""
        self._closed.set()
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            _release(job)
        self._watcher.join()

    async def _prepare(self) -> None:
        self._client.subscribe_topic(_BEGUN, self._begun)
        await self._client.run_on_scheduler(_report_every_death)

    def _ask(self, job: _Job) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            able = self._present - self._shunned.keys()
            if self._present and not able:
                job.answer.set_exception(GradingError(_(NO_WORKER)))
                return
            key = f"mark-{uuid4().hex}"
            job.wanted = able if len(able) < len(self._present) else frozenset()
            job.worker, job.due = "", time.monotonic() + 2 * self._patience  # another's turn may come before
            self._jobs[key] = job
            apart = self._patience + _START_APART if job.lost else None
            job.task = self._client.submit(_run, key, job.work, apart, key=key, pure=False,
                                           workers=sorted(job.wanted) or None)
            job.task.add_done_callback(partial(self._done, key))

    def _begun(self, event: tuple[float, dict[str, str]]) -> None:
        with self._lock:
            if job := self._jobs.get(event[1]["key"]):
                patience = self._patience + (2 * _START_APART if job.lost else 0.0)  # the worker says it first
                job.worker, job.due = event[1]["worker"], time.monotonic() + patience

    def _taken(self, key: str) -> _Job | None:
        with self._lock:
            return None if self._closed.is_set() else self._jobs.pop(key, None)

    def _done(self, key: str, task: DaskFuture[Any]) -> None:
        """Called in a thread of the client's, whatever became of the task."""
        job = self._taken(key)
        if job is None:
            return
        was_done = task.status == "finished"  # then whoever has the answer may still end before it is fetched
        try:
            job.answer.set_result(task.result())
        except RefusedError as error:
            self._shun(error.address, _(REFUSED).format(address=error.address, host=error.host, reason=error.reason))
            self._ask(job)
        except KilledWorker:
            self._again_or_never(job, "" if was_done else job.worker)
        except EndedError as error:
            if error.by_itself:
                job.answer.set_exception(GaveUpError(GAVE_UP.format(first=job.lost[0], second=error.address,
                                                                    how=error.how)))
            else:
                self._again_or_never(job, error.address)
        except (CancelledError, OSError):  # the connection was lost; a worker's own OSError is a refusal
            self._reconnect(job)
        except Exception as error:
            job.answer.set_exception(error)

    def _again_or_never(self, job: _Job, lost: str) -> None:
        """Ask again; `lost` is the worker that was doing it, empty where it only waited for its turn."""
        job.lost += [lost] if lost else []
        if len(job.lost) < _LOSSES:
            self._ask(job)
        else:
            addresses = ", ".join(dict.fromkeys(job.lost))
            job.answer.set_exception(UngradedError(_(NOBODY_SAYS).format(count=_LOSSES, addresses=addresses)))

    def _reconnect(self, job: _Job) -> None:
        """The scheduler knows nothing any more: it was restarted, or is about to be."""
        if self._client.status in ("closing", "closed"):
            job.answer.set_exception(GradingError(_(GONE)))
            return
        self._is_prepared = False
        self._ask(job)

    def _shun(self, address: str, sentence: str) -> None:
        with self._lock:
            self._shunned[address] = time.monotonic() + _PARDON
            is_new = sentence not in self._said
            self._said.add(sentence)
        if is_new:
            self._notice(sentence)

    def _watch(self) -> None:
        while not self._closed.wait(_GLANCE):
            if self._client.status != "running":
                continue
            try:
                if not self._is_prepared:
                    self._client.sync(self._prepare)
                    self._is_prepared = True
                self._present = frozenset(self._client.scheduler_info()["workers"])
                at = {key: address for address, keys in self._client.processing().items() for key in keys}
            except OSError:  # the scheduler has gone; the client is about to notice
                continue
            now = time.monotonic()
            with self._lock:
                self._shunned = {address: until for address, until in self._shunned.items() if until > now}
                jobs = list(self._jobs.items())
            for key, job in jobs:
                if job.due < now:
                    self._give_up_waiting(key, job.worker or at.get(key, ""))
                elif job.wanted and not job.wanted & self._present:
                    self._give_up_waiting(key, "")

    def _give_up_waiting(self, key: str, address: str) -> None:
        """Ask somebody else than `address`, which is empty where nobody has the task."""
        job = self._taken(key)
        if job is None:
            return
        _release(job)
        if address:
            self._shun(address, _(SILENT).format(address=address, seconds=self._patience))
        self._again_or_never(job, job.worker)


def _release(job: _Job) -> None:
    if job.task is not None:
        job.task.cancel()
        job.task = None


def _run(key: str, work: bytes, apart: float | None) -> Any:
    """On a worker: say that it has begun, and do it; `apart`, where it may take so many seconds."""
    worker = get_worker()
    sync(worker.loop, _tell, worker, key)
    try:
        if apart is not None:
            return call_apart(work, apart)
        function, args, kwargs = pickle.loads(work)
        return function(*args, **kwargs)
    except RefusedError as error:
        raise RefusedError(error.reason, error.host, worker.address) from error
    except EndedError as error:
        raise EndedError(error.how, error.by_itself, worker.address) from error
    except Exception as error:
        raise error.with_traceback(None) from None  # a traceback of a thousand frames does not come through


async def _tell(worker: Worker, key: str) -> None:
    """Say that a task has begun, and see that it is on its way: the task may end this process at once."""
    worker.log_event(_BEGUN, {"key": key, "worker": worker.address})
    while worker.batched_stream.buffer:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)


def _report_every_death(dask_scheduler: Any) -> None:
    """On the scheduler: whoever was asked to do a task when its worker ended hears of it, and decides."""
    dask_scheduler.allowed_failures = 0
