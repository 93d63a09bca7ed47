#!/usr/bin/env bash
# Installs what the tests need, builds everything, runs every test, prints the totals.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/run.sh [--preset NAME] [-R PATTERN] [-j N] [--help]

Installs what is missing (deploy/install-dependencies.sh --test), builds everything and runs CTest.
Exits 0 when every test passed. The last lines are CTest's totals.

  --preset NAME  release (default), debug, asan or tsan
  -R PATTERN     run only the tests whose names match this regular expression
  -j N           tests at once (default: one for each processor)

Tests that need a right which this user does not have (capture, mount, network namespaces) skip
themselves and are counted as skipped.
TEXT
}

usage_error() {
  printf 'tests/run.sh: %s (try --help)\n' "$*" >&2
  exit 2
}

preset=release
jobs=$(nproc)
filter=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --preset | -R | -j)
      [[ $# -ge 2 ]] || usage_error "$1 needs a value"
      case $1 in
        --preset) preset=$2 ;;
        -R) filter=(-R "$2") ;;
        -j) jobs=$2 ;;
      esac
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done
[[ $preset =~ ^(release|debug|asan|tsan)$ ]] || usage_error "no preset $preset"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || usage_error "-j: expected a number"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
started=$SECONDS
deploy/install-dependencies.sh --test

build=build/$preset
log=build/$preset-build.log
mkdir -p build
printf 'building %s\n' "$build"
# The quickstart may have configured the folder without tests.
cmake --preset "$preset" -DSKIMWATCH_BUILD_TESTS=ON >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
# A line now and then shows that it lives; all of it is in the log.
if ! ninja -C "$build" 2>&1 | tee -a "$log" | awk '
    /^\[[0-9]+\/[0-9]+\]/ {
      split(substr($1, 2, length($1) - 2), count, "/")
      tenth = int(10 * count[1] / count[2])
      if (tenth > shown) { shown = tenth; printf "  %s\n", $1; fflush() }
    }'; then
  grep -m 1 -A 40 -E '^FAILED|^ninja: error' "$log" >&2 || tail -n 40 "$log" >&2
  printf 'tests/run.sh: the build failed; all of it is in %s\n' "$log" >&2
  exit 1
fi
printf 'built in %d s\n' $((SECONDS - started))

ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 300 -j "$jobs" \
  ${filter[@]+"${filter[@]}"}
