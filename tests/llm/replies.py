"""Patches as models send them, for replies to be made of."""

from __future__ import annotations

import json

SOURCE = 'import torch\n\n\nclass Net(torch.nn.Module):\n    name = "a {b} ```"\n'


def envelope(**changes: object) -> dict[str, object]:
    patch: dict[str, object] = {
        "summary": "Added a layer.",
        "model_py": SOURCE,
        "edits": None,
        "applied": [{"instruction": "ACL", "how": "a third layer"}],
        "skipped": [],
        "predicted": None,
    }
    patch.update(changes)
    return patch


def without(*keys: str) -> str:
    return json.dumps({key: value for key, value in envelope().items() if key not in keys})


GOOD = json.dumps(envelope())


EDITS = json.dumps(envelope(model_py=None, edits=[{"search": "a", "replace": "b"}]))


BARE = json.dumps(envelope(model_py=None))


RAW_BREAKS = GOOD.replace("\\n", "\n")
