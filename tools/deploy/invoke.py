"""Generate an image with a deployed function, without the gateway (`make invoke`)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tools.deploy import stack

CLIENT: Final = Config(
    # The function runs for up to 900 s, and botocore gives up after 60 and invokes it again.
    read_timeout=910,
    retries={"mode": "standard", "total_max_attempts": 1},
    tcp_keepalive=True,  # nothing is sent while the function runs, and a NAT forgets silent connections
)


def invoke(stack_name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the function's response to `event`: a result, or problem details. Raises ClientError or BotoCoreError."""
    function = stack.resources(boto3.client("cloudformation"), stack_name)["Generator"]
    client = boto3.client("lambda", config=CLIENT)
    response = client.invoke(FunctionName=function, Qualifier="live", Payload=json.dumps(event))
    answer: dict[str, Any] = json.loads(response["Payload"].read())
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_name")
    stack_name = parser.parse_args().stack_name
    prompt = os.environ.get("PROMPT", "")
    if not prompt:
        sys.exit('PROMPT is missing: make invoke PROMPT="a red circle"')
    key = os.environ.get("IDEMPOTENCY_KEY") or str(uuid.uuid4())
    print(f"To get this result again, also after a lost connection: IDEMPOTENCY_KEY={key}", file=sys.stderr)
    try:
        answer = invoke(stack_name, {"prompt": prompt, "idempotency_key": key})
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"{stack_name}: {error}")
    print(json.dumps(answer, indent=1))
    sys.exit(answer.get("status") != "succeeded")


if __name__ == "__main__":
    main()
