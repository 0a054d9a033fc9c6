"""Lets tests import the helper modules that lie beside them."""

import sys
from pathlib import Path

for folder in (".", "theory", "numerics", "browser"):
    sys.path.insert(0, str(Path(__file__).parent / folder))
