"""From what a teacher names, a scheduler or a number of workers, to a cluster that may be trusted."""

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
from distributed import Client, LocalCluster
from distributed.comm.addressing import parse_address, parse_host_port
from distributed.security import Security
from traitlets import Float, Unicode
from traitlets.config import Config, Configurable

from convcraft.grading.cluster.executor import Workers
from convcraft.grading.errors import GradingError
from convcraft.grading.sandbox.process import START
from convcraft.grading.sandbox.run import Limits
from convcraft.language import N_, _

OPEN = N_("{address} is another machine's, and not sealed by TLS: whoever reaches a Dask port runs what he likes as "
          "whoever started Dask. Use tls:// with certificates (deploy/cluster.md); on a network of your own, "
          "--insecure.")
NO_CERTIFICATES = N_("{address} needs certificates: c.Cluster.ca, c.Cluster.certificate and c.Cluster.key in "
                     "nbgrader_config.py name their files (deploy/cluster.md).")
NO_FILE = "c.Cluster.{name}: {reason}."
NO_ADDRESS = N_("{address} is no scheduler's address; tcp://host:8786 is one, and tls://host:8786.")
NOBODY = N_("No scheduler answers at {address}: {reason}. Is it running, and its port open?")
NO_WORKERS = N_("The scheduler at {address} has no worker. On a machine that shall grade: dask worker {address} "
                "--nthreads 1 (deploy/cluster.md).")
_WAIT = 60.0  # seconds for a scheduler, and for its first worker
_UNWATCHED = {  # a process that marks is not also sampled a hundred times a second, for pages that nobody opens
    "distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "500ms"}


class Cluster(Configurable):
    """`c.Cluster` in `nbgrader_config.py`: the files of TLS, and how long to wait."""

    ca = Unicode("", help="The file of the authority that signed all certificates of the cluster.").tag(config=True)
    certificate = Unicode("", help="The file of this machine's certificate.").tag(config=True)
    key = Unicode("", help="The file of this machine's key.").tag(config=True)
    patience = Float(None, allow_none=True, help="Seconds after which a worker that has begun a submission is not "
                     "waited for; a start and twice a notebook's limits unless told otherwise.").tag(config=True)

    def security(self) -> Security | None:
        """For Dask; None where no file is named.

        Raises:
            GradingError: a file is not named, or cannot be read.
        """
        files = {"ca": self.ca, "certificate": self.certificate, "key": self.key}
        if not any(files.values()):
            return None
        for name, path in files.items():
            try:
                open(path, "rb").close()
            except OSError as error:
                reason = f"{path}: {error.strerror}" if path else _("it names no file")
                raise GradingError(_(NO_FILE).format(name=name, reason=reason)) from error
        return Security(require_encryption=True, tls_ca_file=self.ca, tls_client_cert=self.certificate,
                        tls_client_key=self.key)


@contextlib.contextmanager
def remote(address: str, limits: Limits, config: Config, notice: Callable[[str], None], *,
           insecure: bool = False) -> Iterator[Workers]:
    """The workers of a scheduler that runs.

    Args:
        limits: a submission's; whoever takes much longer is not waited for.
        config: the course's, with `c.Cluster`.
        notice: is told sentences about workers.
        insecure: trust a scheduler that is reached over a network without TLS.

    Raises:
        GradingError: the address is none, or nobody is to be trusted, or nobody answers there.
    """
    settings = Cluster(config=config)
    security = _checked(address, settings.security(), insecure)
    with _quiet(), _connected(address, security) as client:
        try:
            client.wait_for_workers(1, _WAIT)
        except TimeoutError as error:
            raise GradingError(_(NO_WORKERS).format(address=address)) from error
        with Workers(client, settings.patience or _patience(limits), notice) as workers:
            yield workers


@contextlib.contextmanager
def local(root: Path, count: int, limits: Limits, notice: Callable[[str], None]) -> Iterator[Workers]:
    """A cluster of this machine's own, `count` workers in the course's folder `root`.

    Its certificates live as long as it does: whoever else has an account here cannot use its ports.
    """
    security = Security.temporary()
    with (_quiet(), dask.config.set(_UNWATCHED), contextlib.chdir(root),
          LocalCluster(n_workers=count, threads_per_worker=1, host="127.0.0.1", protocol="tls://", security=security,
                       dashboard_address=None, worker_dashboard_address=None) as dask_cluster,
          _connected(dask_cluster.scheduler_address, security) as client):
        client.wait_for_workers(count, _WAIT)
        with Workers(client, _patience(limits), notice) as workers:
            yield workers


def _checked(address: str, security: Security | None, insecure: bool) -> Security | None:
    try:
        protocol, place = parse_address(address)
        host, port = parse_host_port(place)
        if protocol not in ("tcp", "tls") or not host:
            raise ValueError(address)
    except ValueError as error:
        raise GradingError(_(NO_ADDRESS).format(address=address)) from error
    if protocol == "tls":
        if security is None:
            raise GradingError(_(NO_CERTIFICATES).format(address=address))
        return security
    try:
        found = {ipaddress.ip_address(facts[4][0]) for facts in socket.getaddrinfo(host, port)}
    except OSError as error:
        raise GradingError(_(NOBODY).format(address=address, reason=error.strerror)) from error
    if not insecure and not all(each.is_loopback for each in found):
        raise GradingError(_(OPEN).format(address=address))
    return None


@contextlib.contextmanager
def _connected(address: str, security: Security | None) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_WAIT, security=security, set_as_default=False)
    except (OSError, ImportError) as error:
        raise GradingError(_(NOBODY).format(address=address, reason=error)) from error
    with client:
        yield client


def _patience(limits: Limits) -> float:
    """Seconds after which a worker has certainly hung: a start, and twice what one notebook may take."""
    return START + 2 * (limits.exams + limits.own)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """A submission with large pictures is no reason for a warning; what Dask logs about workers, `notice` says."""
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}):
        yield
