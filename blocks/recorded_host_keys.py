"""The block for the SSH host keys that a cluster's machines presented on first use."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field

from cluster.vocabulary.host_keys import RecordedHostKey


class RecordedHostKeys(Block):
    """The first host key of each SSH endpoint with `trust-on-first-use`."""

    _block_type_name = "Recorded host keys"
    _block_type_slug = "recorded-host-keys"
    _description = (
        "SSH host keys of one cluster's machines whose cluster file says `trust-on-first-use`. The first login to a machine records its key here; "
        "every later connection must present the same key. The block has the name of the cluster and stays when the cluster is deleted. "
        "`sixstack pin CLUSTER --forget HOST` removes a key, and the next login records a new one."
    )
    _code_example = """
```python
from blocks.recorded_host_keys import RecordedHostKeys

for known in RecordedHostKeys.load("demo").keys:
    print(known.host, known.endpoint, known.fingerprint, known.recorded)
```
"""

    keys: tuple[RecordedHostKey, ...] = Field(default=(), title="Host keys", description="One key for each SSH endpoint.")
