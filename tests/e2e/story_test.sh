#!/usr/bin/env bash
# The story, twice in a row, with Node.js running the pages' scripts where it is there, and with curl
# in their place: everything that was planted is found, and nothing is left behind.
# shellcheck source=tests/e2e/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"
trap 'rm -rf "$scratch"' EXIT

for option in '' --no-node; do
  "$quickstart" --once --bin-dir "$bin_dir" --max-delay-ms "$delay_max_ms" $option ||
    fail "with the option '$option' it ended with $?"
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
