"""Check that a command's JSON output is one object and has something under each wanted key.

Usage: check_json.py FILE [KEY...]
"""

import json
import sys
from pathlib import Path


def main(file: str, *keys: str) -> int:
    """Print what is wrong with the file, or nothing; return the exit status."""
    text = Path(file).read_text(encoding="utf-8")
    try:
        data = json.loads(text)
    except ValueError as error:
        print(f"{file}: not JSON ({error}):\n{text[:2000]}", file=sys.stderr)
        return 1
    lacking = [key for key in keys if not data.get(key)] if isinstance(data, dict) else ["an object"]
    if lacking:
        print(f"{file}: lacks {', '.join(lacking)}:\n{text[:2000]}", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
