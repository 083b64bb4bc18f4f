"""The block for a cluster file. Flows, schedules and commands take the block's name instead of the document."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field


class SavedCluster(Block):
    """A cluster file under the name of its cluster."""

    _block_type_name = "Saved cluster"
    _block_type_slug = "saved-cluster"
    _description = (
        "Cluster file as YAML text. The block has the name of the cluster. Flows, schedules and the `sixstack` command take this name instead of a document. "
        "Create it with `sixstack save FILE` or the deployment save-cluster, which check the file first. Every run checks the text again, so it can be edited here. "
        "Logins stay in SSH credential blocks."
    )
    _code_example = """
```python
from pathlib import Path
from blocks.saved_cluster import SavedCluster

SavedCluster(file=Path("demo.yaml").read_text()).save("demo", overwrite=True)
text = SavedCluster.load("demo").file
```
"""

    file: str = Field(
        title="Cluster file", description="The cluster file as YAML text. Its `name` must be the name of this block.", min_length=1
    )
