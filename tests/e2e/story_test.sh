#!/usr/bin/env bash
# The story, twice in a row: everything that was planted is found, and nothing is left behind.
# shellcheck source=tests/e2e/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
trap 'rm -rf "$scratch"' EXIT

for round in 1 2; do
  echo "run $round"
  "$quickstart" --once --bin-dir "$bin_dir" --max-delay-ms "$delay_max_ms" ||
    fail "run $round ended with $?"
  expect_clean
done

# A program that does not start is a failure that says so, and leaves nothing behind either.
mkdir "$scratch/broken"
ln -s "$bin_dir"/skimwatch-collector "$bin_dir"/skimwatchctl "$scratch/broken"
printf '#!/bin/sh\necho "no agent today" >&2\nexit 3\n' >"$scratch/broken/skimwatch-agent"
chmod +x "$scratch/broken/skimwatch-agent"
status=0
"$quickstart" --once --bin-dir "$scratch/broken" >"$scratch/output" 2>&1 || status=$?
[[ $status == 1 ]] || fail "with a broken agent it ended with $status: $(cat "$scratch/output")"
grep -q "no agent today" "$scratch/output" || fail "it does not say why: $(cat "$scratch/output")"
expect_clean
