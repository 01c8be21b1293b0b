"""Checks the content credentials of a file with OpenAI's SDK, at this service's path, and prints what the SDK read."""

import os
import sys
from pathlib import Path

from openai import OpenAI
from openai.types import ContentProvenanceCheck

client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"], max_retries=0)
check = client.post(
    "/verify",
    cast_to=ContentProvenanceCheck,
    body={},
    files=[("file", Path(sys.argv[1]))],
    options={"headers": {"Content-Type": "multipart/form-data"}},
)
(result,) = check.results
assert type(result).__name__ == "ResultC2PA", result
print(result.model_dump_json())
