#!/usr/bin/env bash
# Measures Skimwatch on this machine, each figure beside a peer or a physical limit in the same run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$root/build/release

# suite | program | what it measures
suites='
card|bench_card|scan rate beside RE2, Vectorscan and a plain read, worst cases, stages (tests/data/gather-web-files.sh first)
traffic|bench_replay|capture files of web traffic, beside tshark and tcpflow; memory (gather-web-files.sh first)
traffic|bench_live|a whole agent on a veth pair: load, idle, delay to the collector, a flood of cards (as root)
traffic|bench_tls|what TLS probes cost nginx that proxies over TLS, under wrk, in paired runs (as root)
packets|bench_traffic|packets to messages
pcap|bench_pcap|capture file to findings, whole path, with recall and memory
scan|bench_scan|offline scan of folders beside ripgrep, whole programs
script|bench_script|hashing and judging scripts
webroot|bench_web_root|a web root of 1,000,000 files beside AIDE and a plain read: first look, looks, changes, memory (7 GB of disk and of page cache)
page|bench_page|a look at a payment page beside a plain load of it in Chromium; processor time and memory
reports|bench_reports|reports of shoppers' browsers: HTTP, JSON, card scan; others under a flood
spool|bench_spool|durable append and replay beside a plain file and fdatasync
ingest|bench_ingest|findings over mutual TLS into SQLite and PostgreSQL, durable before Ack, beside a plain COPY
agent|bench_agent|a whole agent under loopback load: resident memory, CPU, delay
'

usage() {
  cat <<'TEXT'
usage: tests/bench/run.sh [SUITE...] [--json FILE] [--quick] [--no-build]

Builds what it needs, runs the suites (all by default), prints their tables, and writes the same
rows to FILE as JSON: one object a row with suite, name, and its figures.

  --quick     shorter runs, for a look or to compare two revisions in turn; publish nothing else of them
  --no-build  use the programs of build/release as they are

Suites:

TEXT
  printf '%s\n' "$suites" | awk -F'|' 'NF == 3 { printf "  %-8s %s\n", $1 == last ? "" : $1, $3; last = $1 }'
}

wanted=()
json=
quick=no
should_build=yes
while [[ $# -gt 0 ]]; do
  case "$1" in
    --json)
      [[ $# -ge 2 ]] || { echo "run.sh: --json needs a file" >&2; exit 2; }
      json=$2
      shift
      ;;
    --quick) quick=yes ;;
    --no-build) should_build=no ;;
    --help | -h) usage; exit 0 ;;
    -*) echo "run.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
    *)
      grep -q "^$1|" <<<"$suites" || { echo "run.sh: no suite named $1 (try --help)" >&2; exit 2; }
      wanted+=("$1")
      ;;
  esac
  shift
done

programs=()
names=()
while IFS='|' read -r suite program _; do
  [[ -n $suite ]] || continue
  if [[ ${#wanted[@]} -gt 0 && " ${wanted[*]} " != *" $suite "* ]]; then continue; fi
  names+=("$suite")
  programs+=("$program")
done <<<"$suites"

if [[ $should_build == yes ]]; then
  "$root/deploy/install-dependencies.sh" --test
  cmake -S "$root" --preset release >/dev/null
  cmake --build "$build" --target "${programs[@]}" | tail -n 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf 'machine: %s, %s cores, Linux %s\n' \
  "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)" "$(nproc)" "$(uname -r)"
printf 'source:  %s\n' "$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
status=0
for i in "${!names[@]}"; do
  printf '\n== %s\n' "${names[$i]}"
  arguments=()
  if [[ $quick == yes ]]; then
    case ${programs[$i]} in
      bench_replay | bench_live | bench_tls | bench_web_root) arguments=(--quick) ;;
      *) arguments=(--benchmark_min_time=0.05) ;;
    esac
  fi
  "$build/bin/${programs[$i]}" "${arguments[@]}" \
    --benchmark_out="$work/${programs[$i]}.json" --benchmark_out_format=json || status=1
done

if [[ -n $json ]]; then
  for i in "${!names[@]}"; do
    [[ -s $work/${programs[$i]}.json ]] || continue
    jq --arg suite "${names[$i]}" '.benchmarks[] | {suite: $suite} + .' "$work/${programs[$i]}.json"
  done | jq -s . >"$json"
  printf '\nrows written to %s\n' "$json"
fi
exit "$status"
