#!/usr/bin/env bash
# Skimwatch at work on this machine: a small shop, a chat script that is altered, card numbers that
# leave, and what the collector says. The parts are in deploy/demo/.
set -Eeuo pipefail
trap '((BASH_SUBSHELL > 0)) || printf "quickstart: failed: %s\n" "$BASH_COMMAND" >&2' ERR

usage() {
  cat <<'TEXT'
usage: deploy/quickstart.sh [--once] [--keep] [--port-base N] [--bin-dir DIR] [--no-node]
                            [--max-delay-ms N]

Installs what is missing, builds the programs, makes throw-away certificates, starts a collector, a
real nginx with a small shop, and an agent that watches it, and tells a story: normal checkouts; a
chat script is altered; card numbers leave. Everything is on loopback and in one temporary folder.
It goes on with a little traffic until Ctrl-C, and removes everything in the end.

No browser is needed. With real ones, a vendor of its own and five skimmers the same story is in
docs/incident-2017.md, and is played by: tests/run.sh -R Incident2017

  --once            end after the story: 0 when all that was expected was seen, else 1
  --keep            leave the temporary folder (logs, store, configurations) and say where it is
  --port-base N     take the six ports from N on; by default free ones are found
  --bin-dir DIR     use the programs in DIR; nothing is installed or built
  --no-node         let curl send what the pages' scripts would send, even where Node.js is there to
                    run them
  --max-delay-ms N  a finding must be shown within N milliseconds of its cause (default 1000)

Needs the right to capture packets on loopback: run it as root, or with sudo.
TEXT
}

once=no keep=no port_base='' bin_dir='' use_node=yes delay_max_ms=1000
original_arguments=$*
usage_error() {
  printf 'quickstart: %s (try --help)\n' "$*" >&2
  exit 2
}
while [[ $# -gt 0 ]]; do
  case $1 in
    --once) once=yes ;;
    --keep) keep=yes ;;
    --no-node) use_node=no ;;
    --port-base | --bin-dir | --max-delay-ms)
      [[ $# -ge 2 ]] || usage_error "$1 needs a value"
      case $1 in
        --port-base) port_base=$2 ;;
        --bin-dir) bin_dir=$2 ;;
        --max-delay-ms) delay_max_ms=$2 ;;
      esac
      shift
      ;;
    --help | -h) usage; exit 0 ;;
    *) usage_error "unknown option $1" ;;
  esac
  shift
done
[[ -z $port_base || $port_base =~ ^[0-9]{4,5}$ && $port_base -ge 1024 && $port_base -le 65530 ]] ||
  usage_error "--port-base: expected a number from 1024 to 65530"
[[ $delay_max_ms =~ ^[1-9][0-9]{0,5}$ ]] || usage_error "--max-delay-ms: expected a number"

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo_dir=$source_dir/deploy/demo
for part in output build processes certificates cards shoppers watch questions; do
  # shellcheck source=/dev/null
  source "$demo_dir/lib/$part.sh"
done
# shellcheck source=deploy/demo/story.sh
source "$demo_dir/story.sh"

require_capture_right
provide_programs

make_run_folder
choose_ports
make_certificates
start_nginx
start_collector
start_watch
start_agent
tell_story

chapter "$checks_passed expectations met, $checks_failed not; the slowest finding took $slowest_ms ms"
say "The same with real browsers, a vendor of its own and five skimmers: docs/incident-2017.md, and"
command_line "tests/run.sh -R Incident2017"
if [[ $once == yes ]]; then
  exit $((checks_failed > 0))
fi
keep_going
