"""Run the child processes, one at a time and in identical environments, and collect their results."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from tools.bench import models, peers
from tools.bench.case import Case
from tools.bench.measurements import Overhead, Roofline, Run
from tools.bench.plan import BenchError
from tools.local import job_resources
from tools.local.aws_environment import NO_AWS_FILES
from tools.local.dockerfile import image_variables

BUCKET: Final = "images-bucket"
TABLE: Final = "jobs-table"
REGION: Final = "us-east-1"
MEMORY_MB: Final = 10240
_INHERITED: Final = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")
_TIMEOUT_SECONDS: Final = 900.0
_IMPORT = "import time; started = time.perf_counter(); import {module}; print(time.perf_counter() - started)"
_CHUNK: Final = 16 * 1024**2


@dataclass(frozen=True)
class Checkout:
    """A working tree of the product, which has its own benchmark, models and packages."""

    root: Path = models.ROOT
    python: str = sys.executable

    def path(self, path: Path) -> Path:
        """Return what `path`, in this program's working tree, is in that one."""
        return self.root / path.relative_to(models.ROOT) if path.is_relative_to(models.ROOT) else path

    def compile(self) -> None:
        """Compile all modules to bytecode, as the image does. A process that may not write it compiles each time."""
        subprocess.run([self.python, "-m", "compileall", "-q", "function", "tools"], cwd=self.root, check=True)


class Bench:
    """Runs measurements; every method raises BenchError if a child fails. Children log to `home`/logs."""

    def __init__(self, home: Path, endpoint: str, checkout: Checkout | None = None):
        """Children run the code of `checkout`, by default of this program's."""
        self._home = home
        self._endpoint = endpoint
        self._checkout = checkout or Checkout()
        self._checkout.compile()
        (home / "logs").mkdir(parents=True, exist_ok=True)

    def run(self, case: Case) -> Run:
        """Run the case in a new process."""
        model = next(each for each in (*models.RANDOM, models.DEMO) if each.id == case.model)
        folder = models.prepared(model) if case.program in ("product", "ready") else models.source(model)
        folder, interpreter = self._checkout.path(folder), self._checkout.python
        if case.program == peers.OPTIMUM.program:
            folder, interpreter = peers.optimum_folder(folder), peers.python()
        _warm_page_cache(folder)
        extra = {
            "CHECKPOINT": str(folder),
            "MODEL_IDS": case.model,
            "PRECISION": case.precision,
            "THREADS": str(case.threads),
        } | ({"ONEDNN_MAX_CPU_ISA": case.isa} if case.isa else {})
        return Run.parse(self._child(case.program, case.id, asdict(case), extra, interpreter))

    def roofline(self, precisions: list[str], repeats: int) -> Roofline:
        """Measure the machine's convolution rates, each the median of `repeats` runs."""
        return Roofline.parse(self._child("roofline", "roofline", {"precisions": precisions, "repeats": repeats}, {}))

    def overhead(self, case: Case, requests: int) -> Overhead:
        """Measure the handler's overhead over `requests` requests, both through the gateway and invoked directly."""
        task = {**asdict(case), "requests": requests}
        return Overhead(**self._child("overhead", "overhead", task, {"PRECISION": case.precision, "THREADS": "0"}))

    def import_s(self, module: str, repeats: int) -> float:
        """Return the median import time of `module` in seconds, over `repeats` new interpreters.

        The first import is discarded: it reads the files from the disk.
        """
        log = self._home / "logs" / "import.log"
        seconds = []
        for _ in range(repeats + 1):
            self._python(["-c", _IMPORT.format(module=module)], "import", self._environment({}))
            seconds.append(float(log.read_text().splitlines()[-1]))
        return median(seconds[1:])

    def prepare(self) -> None:
        """Create and prepare the models that are missing."""
        self._python(["-m", "tools.bench.weights"], "weights", self._environment({}))

    def _child(
        self, module: str, name: str, task: dict[str, Any], extra: dict[str, str], interpreter: str = ""
    ) -> dict[str, Any]:
        environment = self._environment(extra)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "result.json"
            arguments = ["-m", f"tools.bench.{module}", json.dumps(task), repr(time.monotonic()), str(out)]
            self._python(arguments, name, environment, interpreter)
            result: dict[str, Any] = json.loads(out.read_text())
        return result

    def _python(self, arguments: list[str], name: str, environment: dict[str, str], interpreter: str = "") -> None:
        log = self._home / "logs" / f"{name}.log"
        try:
            with log.open("wb") as output:
                subprocess.run(
                    [interpreter or self._checkout.python, *arguments],
                    cwd=self._checkout.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=_TIMEOUT_SECONDS,
                    check=True,
                )
        except subprocess.CalledProcessError as error:
            raise BenchError(f"{name} failed with exit code {error.returncode}; its output is in {log}") from error
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{name} timed out after {_TIMEOUT_SECONDS:.0f} s; its output is in {log}") from error

    def _environment(self, extra: dict[str, str]) -> dict[str, str]:
        """Return a Lambda function's environment, without the developer's own AWS configuration."""
        return {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            **NO_AWS_FILES,
            **image_variables(self._checkout.root),
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "BUCKET_NAME": BUCKET,
            "DEVICE": "cpu",
            "ENGINES": "openvino",
            "MODEL_IDS": models.DEMO.id,
            "MODELS_DIR": str(self._checkout.path(models.PREPARED)),
            "PYTHONPATH": str(self._checkout.root / "function"),
            "TABLE_NAME": TABLE,
            "JOBS_QUEUE_URL": "none",
            "JOBS_DEAD_LETTERS_URL": "none",
            "WEBHOOKS_QUEUE_URL": "none",
            "WEBHOOKS_DEAD_LETTERS_URL": "none",
            "WEBHOOK_SECRETS_PATH": "/none",
            **extra,
        }


@contextmanager
def image_store() -> Iterator[str]:
    """Run a moto server with the image bucket and the lease table on a free local port; yield its URL."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        session = boto3.Session("testing", "testing", region_name=REGION)
        session.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        job_resources.make_table(session.client("dynamodb", endpoint_url=endpoint), TABLE)
        yield endpoint
    finally:
        server.stop()


def _warm_page_cache(folder: Path) -> None:
    """Read all files in `folder`, so that loading them measures no disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(_CHUNK):
                    pass
