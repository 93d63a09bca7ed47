#!/usr/bin/env bash
# Builds libFuzzer targets and runs each for a while.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tests/fuzz/run.sh [--seconds N] [--jobs N] [--help] [TARGET...]

Builds libFuzzer targets of tests/fuzz in build/fuzz, with clang and the address and undefined-
behaviour sanitizers, and runs each over its seeds (tests/fuzz/corpus) and then on what it makes of
them. More than 10 seconds or 2 GiB for an input count as broken. What it finds worth keeping goes to build/fuzz/corpus and is begun with the next time; an
input that breaks something is left in build/fuzz/broken.

  --seconds N  for each target (60)
  --jobs N     compilers at once (one for each processor)
  TARGET       such as card_scan_fuzz (all that begin with card_)

A long run: tests/fuzz/run.sh --seconds 28800 card_scan_fuzz

Exits 0 when nothing broke, 1 when something did, 2 on a wrong option.
TEXT
}

usage_error() {
  printf 'tests/fuzz/run.sh: %s (try --help)\n' "$*" >&2
  exit 2
}

seconds=60
jobs=$(nproc)
targets=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --seconds | --jobs)
      [[ $# -ge 2 && $2 =~ ^[1-9][0-9]*$ ]] || usage_error "$1 needs a number"
      if [[ $1 == --seconds ]]; then seconds=$2; else jobs=$2; fi
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    -*) usage_error "unknown option $1" ;;
    *) targets+=("$1") ;;
  esac
  shift
done

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
known=$(sed -n 's/^skimwatch_fuzzer(\([a-z0-9_]*\).*/\1/p' tests/fuzz/CMakeLists.txt)
if [[ ${#targets[@]} -eq 0 ]]; then
  mapfile -t targets < <(grep '^card_' <<<"$known")
fi
for target in "${targets[@]}"; do
  grep -qxF "$target" <<<"$known" || usage_error "no target $target"
done

command -v clang++ >/dev/null || {
  echo "tests/fuzz/run.sh: clang is not installed (deploy/install-dependencies.sh --test)" >&2
  exit 1
}
build=build/fuzz
mkdir -p "$build/broken"
{
  cmake -S . -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSKIMWATCH_BUILD_FUZZERS=ON \
    -DSKIMWATCH_SANITIZE=address,undefined &&
    ninja -C "$build" -j "$jobs" "${targets[@]}"
} >"$build/build.log" 2>&1 || {
  tail -n 40 "$build/build.log" >&2
  echo "tests/fuzz/run.sh: the build failed; all of it is in $build/build.log" >&2
  exit 1
}

for target in "${targets[@]}"; do
  seeds=tests/fuzz/corpus/${target%_fuzz}
  found=$build/corpus/$target
  mkdir -p "$found"
  folders=("$found")
  [[ ! -d $seeds ]] || folders+=("$seeds")
  log=$build/$target.log
  if ! "$build/bin/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$build/broken/$target-" "${folders[@]}" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "tests/fuzz/run.sh: $target broke; all of it is in $log" >&2
    exit 1
  fi
  awk -v target="$target" '/^stat::number_of_executed_units/ { print target ": " $2 " inputs" }' "$log"
done
