#!/usr/bin/env bash
# One copy goes on while another tells its story, and an interrupt ends the first without a trace.
# shellcheck source=tests/e2e/support.sh
source "$(dirname "${BASH_SOURCE[0]}")/support.sh"

first=
finish() {
  [[ -z $first ]] || kill -TERM "$first" 2>/dev/null || true
  [[ -z $first ]] || wait "$first" 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

is_ready() { compgen -G "$TMPDIR/skimwatch-demo.*/ready" >/dev/null; }

# In a session of its own, with the interrupt as a terminal has it: a shell's background commands
# ignore it.
setsid env --default-signal=INT "$quickstart" --bin-dir "$bin_dir" --max-delay-ms "$delay_max_ms" \
  >"$scratch/first" 2>&1 &
first=$!
for ((i = 0; i < 1200; i++)); do
  if is_ready; then break; fi
  kill -0 "$first" 2>/dev/null || fail "the first copy ended: $(cat "$scratch/first")"
  sleep 0.1
done
is_ready || fail "the first copy did not get ready: $(cat "$scratch/first")"
grep -q " 0 not;" "$scratch/first" || fail "the first copy missed something: $(cat "$scratch/first")"
metrics_port=$(sed -n 's/^collector_metrics=//p' "$TMPDIR"/skimwatch-demo.*/ready)

# The second copy shares the loopback interface and sees only its own shop.
"$quickstart" --once --bin-dir "$bin_dir" --max-delay-ms "$delay_max_ms" ||
  fail "the second copy ended with $?"

# The first goes on: its shoppers' cards are still counted.
expected() {
  curl -sf "http://127.0.0.1:$metrics_port/metrics" |
    awk '/^skimwatch_findings_total[{].*kind="card_number"/ { sum += $2 } END { print sum + 0 }'
}
before=$(expected)
for ((i = 0; i < 200; i++)); do
  if (($(expected) > before)); then break; fi
  sleep 0.1
done
(($(expected) > before)) || fail "the first copy has no traffic"

kill -INT "$first"
status=0
wait "$first" || status=$?
first=
[[ $status == 130 ]] || fail "an interrupt ended it with $status: $(tail -n 20 "$scratch/first")"
expect_clean
