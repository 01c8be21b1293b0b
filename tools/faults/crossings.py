"""R12: for one tenant, another's jobs, keys and uploads do not exist: one identical 404 wherever an id is accepted.

`python -m tools.faults.crossings 20 7` makes 20 jobs and 20 keys of each of two tenants, in every state; the
environment says where the table is. Real: the handlers of Authorizer, Api and Generator, each request with an API key,
and the table. Replaced: the engine. The routes are those of the OpenAPI document, so a new one is crossed, too.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from PIL import Image
from ulid import ULID

from imagegen.access.caller import Caller
from imagegen.api import cursor
from imagegen.api.routes.documentation import openapi_document
from imagegen.deadline import Deadline
from imagegen.entrypoints import api, authorizer, generator
from imagegen.pictures.uploads import is_id, new_id, object_key
from tools.faults.jobs import BACKEND
from tools.faults.sleeping_engine import SleepingEngines
from tools.lambda_event import Context, api_event

Figures = dict[str, Any]
Answer = dict[str, Any]
Handler = Callable[[Any, Any], Answer]

ADMIN: Final = Caller.of("owner", "faults", ["admin"])
REFUSED: Final[dict[str, list[str]]] = {
    "job_id": ["1", "JOB", "../alice", "a#b", "%00", "0" * 26, "z" * 26, "x" * 300],
    "key_id": ["1", "KEY", "../alice", "a#b", "%00", "TENANT", "KEY#", "x" * 300],
}
"""Ids that no job and no key has, beside random ones."""
_MADE_UP: Final = {404: new_id(), 422: "input_" + "0" * 64}
"""An upload, and what a job keeps, which no caller may name, by the status of an answer."""
_STATES: Final = ("queued", "cancelled", "succeeded")


@dataclass
class Tenant:
    """A caller, and what exists of it."""

    name: str
    key: str
    ids: dict[str, list[str]] = field(default_factory=lambda: {"job_id": [], "key_id": []})
    uploads: list[str] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)


@dataclass
class Crossings:
    """Two tenants, and their requests. `api` may be another handler, to see that a leak is found."""

    volume: int
    random: Random
    api: Handler = api.handler

    def __post_init__(self) -> None:
        self.container = api.container
        for each in (api.container, generator.container):
            each.backend, each.engines = BACKEND, SleepingEngines(0)
        self.alice, self.bob = self._tenant("alice"), self._tenant("bob")

    def run(self) -> Figures:
        """Cross every id, both ways. Returns how many requests got the one 404, and what else was found."""
        before = [self._seen(each) for each in (self.alice, self.bob)]
        pairs = ((self.alice, self.bob), (self.bob, self.alice))
        routes = {route: self._crossed(*route) for route in sorted(self._routes())}
        routes |= {("POST", path): self._crossed_pictures(path) for path in ("/generate", "/jobs")}
        listed = [name for caller, other in pairs for name in self._found_in_lists(caller, other)]
        changed = [self._seen(each) for each in (self.alice, self.bob)] != before
        shared = [name for caller, other in pairs for name in self._shared(caller, other)]
        different = sorted(
            {f"{method} {path}: {name}" for (method, path), (_, found) in routes.items() for name in found}
        )
        figures = {"routes": len(routes), "requests": sum(count for count, _ in routes.values())}
        found = {"different": different, "listed": listed, "shared": shared, "changed": changed}
        return {"holds": bool(routes) and not any(found.values()), **figures, **found}

    def send(self, caller: Tenant, method: str, path: str, body: object = b"", **request: Any) -> Answer:
        """Send a request with the caller's key, through the authorizer. `path` has the names of `ids` in braces."""
        ids, query = request.pop("ids", {}), request.pop("query", None)
        context = {"requestId": "r", "path": f"/v1{path}", "authorizer": self._authorized(caller)}
        sent = {"pathParameters": ids or None, "queryStringParameters": query, "requestContext": context}
        event = api_event(body, method=method, path=path, **sent, **request)
        return (generator.handler if path == "/generate" else self.api)(event, Context())

    def _authorized(self, caller: Tenant) -> dict[str, Any]:
        headers = {"x-api-key": [caller.key]}
        arn = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/v1/GET/jobs"
        answer = authorizer.handler({"multiValueHeaders": headers, "methodArn": arn, "requestContext": {}}, Context())
        return {"principalId": answer["principalId"], **answer["context"]}

    def _crossed(self, method: str, path: str) -> tuple[int, list[str]]:
        """Send the other tenant's ids to one route, both ways. Returns how many, and what differs from a made-up id."""
        (name,) = re.findall(r"{(\w+)}", path)
        count, different = 0, []
        for caller, other in ((self.alice, self.bob), (self.bob, self.alice)):
            reference = self._ask(caller, method, path, name, self._made_up())
            if reference["statusCode"] != 404:
                different.append("a made-up id is not 404")
            for given in [*other.ids[name], *REFUSED[name], *(other.ids["key_id" if name == "job_id" else "job_id"])]:
                count += 1
                if self._ask(caller, method, path, name, given) != reference:
                    different.append(given)
        return count, different

    def _crossed_pictures(self, path: str) -> tuple[int, list[str]]:
        """Send the other tenant's uploads, and what its jobs keep of them, to a route that draws. As `_crossed`."""
        count, different = 0, []
        for caller, other in ((self.alice, self.bob), (self.bob, self.alice)):
            for name in ("image", "mask_image"):
                answers = {status: self._draw_from(caller, path, name, text) for status, text in _MADE_UP.items()}
                if [each["statusCode"] for each in answers.values()] != [*answers]:
                    different.append(f"a made-up {name} is not 404, or 422 for a name that no caller may use")
                for given in other.uploads:
                    count += 1
                    if self._draw_from(caller, path, name, given) != answers[404 if is_id(given) else 422]:
                        different.append(f"{name} {given}")
        return count, different

    def _draw_from(self, caller: Tenant, path: str, name: str, given: str) -> Answer:
        return self.send(caller, "POST", path, _edit(caller.uploads[0]) | {name: given})

    def _ask(self, caller: Tenant, method: str, path: str, name: str, given: str) -> Answer:
        return self.send(caller, method, path, {} if path.startswith("/keys") else b"", ids={name: given})

    def _routes(self) -> Iterator[tuple[str, str]]:
        for path, operations in json.loads(openapi_document(api.app, self.container))["paths"].items():
            if "{" in path:
                yield from ((method.upper(), path) for method in operations if method.upper() != "OPTIONS")

    def _found_in_lists(self, caller: Tenant, other: Tenant) -> Iterator[str]:
        """Yield the other's ids in whatever lists the caller's, and its cursors if they differ from made-up ones."""
        for path in ("/jobs", "/keys", "/usage", "/me"):
            text = self.send(caller, "GET", path)["body"]
            ids = [*other.ids["job_id"], *other.ids["key_id"], other.name]
            yield from (f"{path}: {each}" for each in ids if each in text)
        made_up = self.send(caller, "GET", "/jobs", query={"cursor": cursor.encode("nobody", self._made_up())})
        answers = [self.send(caller, "GET", "/jobs", query={"cursor": each}) for each in other.cursors]
        yield from ("a cursor" for answer in answers if answer != made_up or answer["statusCode"] != 400)

    def _shared(self, caller: Tenant, other: Tenant) -> Iterator[str]:
        """Yield what a tenant gets of the other by the same request: its job, or its image from the cache."""
        answer = self.send(caller, "POST", "/jobs", _body(0), headers={"Idempotency-Key": "order-0"})
        job = json.loads(answer["body"])["id"]
        if answer["statusCode"] != 202 or job in other.ids["job_id"] or job not in caller.ids["job_id"]:
            yield "idempotency key"
        drawn = json.loads(self.send(caller, "POST", "/generate", _body(10_000))["body"])
        if drawn["cached"] or f"/images/{caller.name}/" not in drawn["image_url"]:
            yield "image"

    def _seen(self, tenant: Tenant) -> list[Any]:
        """Return what a tenant sees of its own jobs and keys."""
        jobs = [self.send(tenant, "GET", "/jobs/{job_id}", ids={"job_id": each}) for each in tenant.ids["job_id"]]
        keys = self.send(tenant, "GET", "/keys")
        return [_lasting(json.loads(each["body"])) for each in [*jobs, keys]]

    def _tenant(self, name: str) -> Tenant:
        keys = self.container.tenant_keys
        made = keys.create_first_key(name, "of R12", by=ADMIN, roles=["operator"])
        tenant = Tenant(name, made.key)
        for number in range(self.volume):
            tenant.ids["job_id"].append(self._job(tenant, number))
            tenant.ids["key_id"].append(self._key(tenant, number))
            tenant.uploads.append(self._upload(tenant))
        tenant.uploads.append(self._kept(tenant))
        page = self.container.jobs.page(name, limit=1, after=None)
        tenant.cursors = [cursor.encode(name, each.job_id) for each in page.jobs]
        return tenant

    def _job(self, tenant: Tenant, number: int) -> str:
        headers = {"Idempotency-Key": f"order-{number}"}
        job_id = str(json.loads(self.send(tenant, "POST", "/jobs", _body(number), headers=headers)["body"])["id"])
        match _STATES[number % len(_STATES)]:
            case "cancelled":
                self.container.jobs.cancel(tenant.name, job_id)
            case "succeeded":
                generator.container.job_runner.run(tenant.name, job_id, Deadline.after(60))
        return job_id

    def _upload(self, tenant: Tenant) -> str:
        upload_id = str(json.loads(self.send(tenant, "POST", "/uploads", {"content_type": "image/png"})["body"])["id"])
        self.container.inputs.store.write(object_key(tenant.name, upload_id), _picture(tenant.name))
        return upload_id

    def _kept(self, tenant: Tenant) -> str:
        """Return the name of the picture that the tenant's jobs keep."""
        answer = self.send(tenant, "POST", "/jobs", _edit(tenant.uploads[0]))
        tenant.ids["job_id"].append(str(json.loads(answer["body"])["id"]))
        return f"input_{hashlib.sha256(_picture(tenant.name)).hexdigest()}"

    def _key(self, tenant: Tenant, number: int) -> str:
        keys = self.container.tenant_keys
        key_id = keys.create_key(tenant.name, f"key {number}", by=ADMIN).stored.key_id
        if number % 3 == 1:
            keys.rotate(tenant.name, key_id, by=ADMIN)
        elif number % 3 == 2:
            keys.revoke(tenant.name, key_id, by=ADMIN)
        return key_id

    def _made_up(self) -> str:
        return str(ULID.from_bytes(self.random.randbytes(16)))


def _body(seed: int) -> dict[str, Any]:
    return {"prompt": "a circle", "seed": seed, "num_inference_steps": 1}


def _edit(image: str) -> dict[str, Any]:
    return _body(0) | {"image": image, "strength": 1}


def _picture(name: str) -> bytes:
    """Return a PNG of one pixel, another one for each of the two tenants."""
    file = io.BytesIO()
    Image.new("L", (1, 1), len(name)).save(file, "PNG")
    return file.getvalue()


def _lasting(document: Any) -> Any:
    """Return the document without what differs between responses: signed URLs and places in the queue."""
    if isinstance(document, list):
        return [_lasting(each) for each in document]
    if isinstance(document, dict):
        passing = ("url", "image_url", "expires_at", "progress")
        return {name: _lasting(value) for name, value in document.items() if name not in passing}
    return document


def main() -> int:
    """Return 0 if every crossed id got the one 404, else 1."""
    volume, seed = map(int, sys.argv[1:3])
    figures = Crossings(volume, Random(seed)).run()
    print(json.dumps(figures))
    return 0 if figures["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
