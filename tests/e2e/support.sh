# shellcheck shell=bash
# What the quickstart's tests share. Arguments of each: QUICKSTART BIN_DIR DELAY_MAX_MS.
set -euo pipefail

quickstart=$1 bin_dir=$2 delay_max_ms=$3

# Bit 13 is CAP_NET_RAW.
effective=$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status)
if ! (((16#$effective >> 13) & 1)); then
  echo "skipped: needs the right to capture packets (CAP_NET_RAW)"
  exit 77
fi

# Every run of this test has its folder here, so what is left behind shows.
scratch=$(mktemp -d)
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"

fail() {
  printf 'FAIL %s\n' "$*" >&2
  exit 1
}

# Nothing of a run is left: no folder, no process that was started with one.
expect_clean() {
  [[ -z $(ls -A "$TMPDIR") ]] || fail "left behind: $(find "$TMPDIR" -maxdepth 2)"
  local process words
  for process in /proc/[0-9]*; do
    # Many end while this looks.
    { words=$(tr '\0' ' ' <"$process/cmdline"); } 2>/dev/null || continue
    [[ $words != *"$TMPDIR/"* ]] || fail "still running: $words"
  done
}
