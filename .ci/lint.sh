#!/usr/bin/env bash
# Formatting, include arrows, TypeScript, clang-tidy. Called by `make lint`, which makes what it needs.
# All of them run, whatever the first one found; clang-tidy, the longest, beside the rest.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

fail() { echo "lint: $1"; status=1; }

echo "lint: clang-tidy, clang-format, include arrows, TypeScript"
# One file a call, so that the slow ones do not pile up at the end.
(git ls-files 'common/*.c' 'cli/*.c' 'collector/*.c' 'backend/*.c' | xargs -P "$(nproc)" -n 1 \
    clang-tidy-14 -p build/dev --quiet --warnings-as-errors='*' > "$logs/tidy" 2> "$logs/tidy.err") &
tidy=$!

unformatted=$(git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run --Werror 2>&1 |
    sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error:.*/    \1/p' | sort -u) || true
[ -z "$unformatted" ] || fail "not as clang-format has it (make fmt mends it):"$'\n'"$unformatted"
python3 tests/arrows.py || fail "include arrows"
(cd frontend && npm run --silent check) || fail "TypeScript"

# Its own words go to stderr too ("12 warnings generated", of headers that are not ours).
wait "$tidy" || { cat "$logs/tidy"; grep 'rror' "$logs/tidy.err" || true; fail "clang-tidy"; }
[ "$status" -ne 0 ] || echo "lint: clean"
exit "$status"
