"""Modules that each entrypoint imports at startup, and which code reads the environment."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

FUNCTION = Path(__file__).resolve().parents[2] / "function"
DIFFUSERS = {"torch", "diffusers", "transformers", "accelerate"}
OPENVINO = {"openvino", "openvino_telemetry", "tokenizers"}
ENGINES = DIFFUSERS | OPENVINO
ENTRYPOINTS = sorted(path.stem for path in (FUNCTION / "imagegen/entrypoints").glob("[!_]*.py"))
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
LAYER = FUNCTION.parent / "layers" / "core" / "requirements.txt"
HIDE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
"""
"""Makes the top-level packages in `hidden` look as if they were not installed."""


def modules_after(code: str, environment: Mapping[str, str] = os.environ) -> set[str]:
    """Modules that are loaded after running the code in a new interpreter, by their full names."""
    return set(printed_by(f"import sys\n{code}\nprint(*sys.modules)", environment).split())


def printed_by(code: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return what the code prints in a new interpreter."""
    completed = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(FUNCTION)},
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout.strip()


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_entrypoint_leaves_its_imports_out_of_the_garbage_collection(entrypoint: str) -> None:
    code = f"import gc, imagegen.entrypoints.{entrypoint}\nprint(gc.isenabled(), gc.get_freeze_count() > 10_000)"
    assert printed_by(code) == "True True"


def test_the_trace_id_of_each_invocation_leaves_no_memory_behind() -> None:
    code = """
import ctypes, os
import imagegen.entrypoints

library = ctypes.CDLL(None)
library.getenv.restype = ctypes.c_char_p
os.environ["_X_AMZN_TRACE_ID"], os.environ["OTHER"] = "Root=1", "value"
print(os.environ["_X_AMZN_TRACE_ID"], library.getenv(b"_X_AMZN_TRACE_ID"), library.getenv(b"OTHER"))
del os.environ["_X_AMZN_TRACE_ID"]
print(os.environ.get("_X_AMZN_TRACE_ID"))
"""
    assert printed_by(code) == "Root=1 None b'value'\nNone"


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_no_entrypoint_imports_an_engine(entrypoint: str) -> None:
    assert not modules_after(f"import imagegen.entrypoints.{entrypoint}") & ENGINES


def test_the_openvino_engine_does_not_import_torch() -> None:
    loaded = modules_after("import imagegen.engines.openvino_engine")
    assert "openvino" in loaded
    assert not loaded & DIFFUSERS


def test_the_sweeper_and_dead_letters_import_only_packages_of_the_layer() -> None:
    loaded = modules_after(
        "from imagegen.entrypoints import dead_letters, sweeper\n"
        "sweeper.container.job_sweep\nsweeper.container.waiting_webhooks\nsweeper.container.quotas\n"
        "dead_letters.container.job_recovery"
    )
    assert not loaded & {*ENGINES, "PIL", "numpy"}


def test_checks_and_warm_ups_import_only_packages_of_the_layer() -> None:
    loaded = modules_after(
        "from imagegen.entrypoints import rollout_check, warmer\n"
        "rollout_check.container.check\nrollout_check.container.rollouts\nwarmer.container.functions"
    )
    assert not loaded & {*ENGINES, "PIL", "numpy"}


def test_webhook_delivery_imports_only_packages_of_the_layer() -> None:
    loaded = modules_after(
        "from datetime import UTC, datetime\nfrom imagegen.entrypoints import webhooks\n"
        "from imagegen.webhooks.signature import SigningSecrets\nwebhooks.container.webhook_sender\n"
        "SigningSecrets.new().headers('msg_1', datetime.now(UTC), '{}')"
    )
    assert "standardwebhooks" in loaded
    assert not loaded & {*ENGINES, "PIL", "numpy"}


def test_the_client_of_redis_is_imported_only_for_a_deployment_that_has_one() -> None:
    """Its import takes a tenth of a second, and only Api, Generator and Worker have it."""
    use = "from imagegen.entrypoints import api\napi.container.limiter\napi.container.job_renderer"
    assert "redis" not in modules_after(use)
    assert "redis" in modules_after(use, {**os.environ, "REDIS_URL": "redis://localhost"})


def test_the_authorizer_imports_the_verifier_only_if_an_issuer_is_trusted() -> None:
    issuers = '[{"issuer": "https://issuer.example.com", "audiences": ["images"]}]'
    trusting = modules_after("from imagegen.entrypoints import authorizer", {**os.environ, "TOKEN_ISSUERS": issuers})
    assert {"jwt", "cryptography"} < trusting
    without = modules_after("from imagegen.entrypoints import authorizer")
    assert not without & {"jwt", "cryptography"}
    assert not trusting & {*ENGINES, "PIL", "numpy"}


def test_the_api_imports_only_packages_of_the_layer_and_not_boto3() -> None:
    loaded = modules_after(
        "from imagegen.api.routes.documentation import openapi_document\n"
        "from imagegen.entrypoints import api\nopenapi_document(api.app, api.container)"
    )
    assert not loaded & {*ENGINES, "PIL", "numpy", "boto3"}


def test_urls_need_cryptography_only_with_a_distribution() -> None:
    loaded = modules_after("from imagegen.entrypoints import webhooks\nwebhooks.container.image_store.require_signer()")
    assert "imagegen.aws.s3" in loaded
    assert not loaded & {"cryptography", "imagegen.aws.cdn_signer"}


@pytest.mark.parametrize("route", sorted(path.stem for path in (FUNCTION / "imagegen/api/routes").glob("[!_]*.py")))
def test_a_route_is_imported_without_settings_and_only_with_what_all_functions_have(route: str) -> None:
    loaded = modules_after(f"import imagegen.api.routes.{route}", environment={})
    assert f"imagegen.api.routes.{route}" in loaded
    assert not loaded & {*ENGINES, "PIL", "numpy", "boto3", "imagegen.settings", "imagegen.wiring"}


def names_in(source: str) -> Iterator[str]:
    """Every name, attribute and imported name in the code; comments and strings do not count."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name


@pytest.mark.parametrize("code", ["os.environ['A']", "os.getenv('A')", "from os import environ as e", "getenv('A')"])
def test_reading_the_environment_is_noticed(code: str) -> None:
    assert ENVIRONMENT & set(names_in(code))


@pytest.mark.parametrize(
    ("package", "reader"),
    [(FUNCTION / "imagegen", "settings.py"), (FUNCTION.parent / "cli" / "imagegen_cli", "environment.py")],
)
def test_one_module_of_each_package_reads_the_environment(package: Path, reader: str) -> None:
    modules = sorted(package.rglob("*.py"))
    assert len(modules) > 20
    reading = [path for path in modules if ENVIRONMENT & set(names_in(path.read_text()))]
    assert [path for path in reading if path != package / reader] == []


def outside_the_layer() -> set[str]:
    """Installed top-level packages that are not in the layer, whose requirements list boto3 and its dependencies."""
    layer = set(re.findall(r"^([\w-]+)==", LAYER.read_text(), re.MULTILINE))
    assert "boto3" in layer
    return {
        package
        for package, distributions in packages_distributions().items()
        if not layer & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    }


@pytest.mark.parametrize(
    "initialization_type", ["on-demand", "provisioned-concurrency", "snap-start", "lambda-managed-instances"]
)
@pytest.mark.parametrize(
    "entrypoint", ["api", "authorizer", "dead_letters", "rollout_check", "sweeper", "warmer", "webhooks"]
)
def test_a_zip_entrypoint_starts_with_only_the_layer_installed(entrypoint: str, initialization_type: str) -> None:
    hidden = outside_the_layer()
    assert hidden >= {"PIL", "numpy", "torch", "diffusers", "openvino"}
    started = subprocess.run(
        [sys.executable, "-c", f"hidden = {hidden}\n{HIDE}\nimport imagegen.entrypoints.{entrypoint}"],
        env={**os.environ, "PYTHONPATH": str(FUNCTION), "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type},
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
