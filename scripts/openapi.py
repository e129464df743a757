#!/usr/bin/env python3
"""Write docs/openapi.json, the document of the web face's API, anew from its routes."""

import sys
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from web.openapi import document  # noqa: E402
from web.table import ROUTES  # noqa: E402

if __name__ == "__main__":
    text = msgspec.json.format(msgspec.json.encode(document(ROUTES)), indent=1)
    (ROOT / "docs" / "openapi.json").write_bytes(text + b"\n")
