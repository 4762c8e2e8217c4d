"""Checks that folders include each other only along the allowed arrows (docs/architecture.md).

Each folder below is one static library; a file may include headers of its own folder and of those
its row names, nothing else of ours. A folder without a row is an error, so that a new one is
placed on purpose.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

BASE = {"common/base"}
WIRE = BASE | {"common/wire"}
MODEL = WIRE | {"backend/model"}
PYTHON = BASE | {"collector/python"}
TARGET = PYTHON | {"collector/target"}
NATIVE = TARGET | {"collector/native"}
STREAM = WIRE | {"collector/stream"}

ALLOWED = {
    "common/base": BASE,
    "common/wire": WIRE,
    "collector/stream": STREAM,
    "collector/uplink": STREAM | {"collector/uplink"},
    "collector/python": PYTHON,
    "collector/target": TARGET,
    "collector/native": NATIVE,
    "collector/sampler": NATIVE | STREAM | {"collector/sampler"},
    "collector/procstat": TARGET | STREAM | {"collector/procstat"},
    "collector/ring": BASE | {"collector/ring"},
    "collector/agent": PYTHON | {"collector/ring", "collector/agent"},
    "collector/heap": TARGET | STREAM | {"collector/ring", "collector/heap"},
    "backend/model": MODEL,
    "backend/assets": set(),
    "backend/formats": MODEL | {"backend/assets", "backend/formats"},
    "backend/store": MODEL | {"backend/store"},
    "backend/ingest": MODEL | {"backend/store", "backend/ingest"},
    "backend/push": MODEL | {"backend/store", "backend/push"},
    "backend/alerts": MODEL | {"backend/store", "backend/alerts"},
    "backend/query": MODEL | {"backend/store", "backend/query"},
    "backend/saved": MODEL | {"backend/formats", "backend/query", "backend/saved"},
    "backend/http": BASE | {"backend/assets", "backend/http"},
    "backend/api": MODEL
    | {"backend/store", "backend/ingest", "backend/query", "backend/assets", "backend/http", "backend/formats", "backend/push", "backend/alerts", "backend/api"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def check(path):
    folder = path.parent.relative_to(ROOT).as_posix()
    if folder == "cli":
        return []
    allowed = ALLOWED.get(folder)
    if allowed is None:
        return [f"{folder}: has no row in tests/arrows.py; say where it stands"]
    wrong = []
    for header in INCLUDE.findall(path.read_text()):
        home = header.rpartition("/")[0]
        if not home:
            wrong.append(f'{path.relative_to(ROOT)}: "{header}" is not named from the root')
        elif home not in allowed:
            wrong.append(f"{path.relative_to(ROOT)}: {folder} may not include {home}")
    return wrong


def main():
    wrong = []
    files = 0
    for top in ("common", "collector", "backend", "cli"):
        for path in sorted((ROOT / top).rglob("*.[ch]")):
            files += 1
            wrong += check(path)
    print("\n".join(wrong) if wrong else f"arrows: {files} files keep to them")
    return 1 if wrong or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
