#!/usr/bin/env bash
# Builds the Debian packages of the three programs into build/release/packages.
set -euo pipefail

if [[ ${1:-} == --help || ${1:-} == -h ]]; then
  cat <<'TEXT'
usage: deploy/packages/build.sh [--help]

Installs what the build needs (deploy/install-dependencies.sh --build), builds the programs and puts
skimwatch-agent, skimwatch-collector and skimwatchctl as .deb files into build/release/packages.
TEXT
  exit 0
fi
[[ $# == 0 ]] || { echo "build.sh: unknown option $1 (try --help)" >&2; exit 2; }

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
deploy/install-dependencies.sh --build
# Of the last commit, so that the time of the build is in no file.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
build=build/release
log=build/packages.log
mkdir -p build
{
  cmake --preset release &&
    ninja -C "$build" skimwatch-agent skimwatch-collector skimwatchctl &&
    cpack -G DEB --config "$build/CPackConfig.cmake"
} >"$log" 2>&1 || {
  tail -n 30 "$log" >&2
  echo "build.sh: failed; all of it is in $log" >&2
  exit 1
}
ls "$build"/packages/*.deb
