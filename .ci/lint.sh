#!/usr/bin/env bash
# Formatting, include arrows, TypeScript, clang-tidy. Called by `make lint`, which makes what it needs.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "lint: clang-format"
git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run --Werror

echo "lint: include arrows"
python3 tests/arrows.py

echo "lint: TypeScript"
(cd frontend && npm run --silent check)

echo "lint: clang-tidy"
sources=$(git ls-files 'common/*.c' 'cli/*.c' 'collector/*.c' 'backend/*.c')
printf '%s\n' $sources | xargs -P "$(nproc)" -n 4 \
    clang-tidy-14 -p build/dev --quiet --warnings-as-errors='*' 2> build/clang-tidy.err \
    || { grep -v 'warnings generated' build/clang-tidy.err | tail -20; exit 1; }
echo "lint: clean"
