# shellcheck shell=bash
# The programs: what they need, and how they are made.

programs=(skimwatch-agent skimwatch-collector skimwatchctl)

# Live capture needs CAP_NET_RAW (bit 13), and building takes minutes: said first.
require_capture_right() {
  local effective
  effective=$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status)
  (( (16#$effective >> 13) & 1 )) && return
  printf '%s\n' \
    "quickstart: the agent watches the loopback interface, which needs the right to capture packets" \
    "(CAP_NET_RAW), and this user does not have it. Run it with:" \
    "" \
    "    sudo $0${original_arguments:+ $original_arguments}" >&2
  exit 1
}

# Sets `bin`. Without --bin-dir the programs are brought up to date, which takes no time when they are.
provide_programs() {
  local program
  if [[ -z $bin_dir ]]; then
    "$source_dir/deploy/install-dependencies.sh" --run
    build_programs
    bin_dir=$source_dir/build/release/bin
  fi
  bin=$(cd "$bin_dir" && pwd) || die "--bin-dir: no folder $bin_dir"
  for program in "${programs[@]}"; do
    [[ -x $bin/$program ]] || die "$bin/$program is not there; build it, or leave --bin-dir out"
  done
}

build_programs() {
  local log=$source_dir/build/quickstart-build.log
  mkdir -p "$source_dir/build"
  chapter "Building (the first time takes some minutes)"
  # The tests need packages that the programs do not. A folder that has them keeps them.
  local without_tests=()
  [[ -f $source_dir/build/release/CMakeCache.txt ]] || without_tests=(-DSKIMWATCH_BUILD_TESTS=OFF)
  (cd "$source_dir" && cmake --preset release "${without_tests[@]}") >"$log" 2>&1 ||
    build_failed "$log"
  ninja_with_progress -C "$source_dir/build/release" "${programs[@]}" || build_failed "$log"
  say "built ${programs[*]}"
}

# On a terminal, one line that shows how far it is. Everything goes to the log.
ninja_with_progress() {
  if [[ ! -t 1 ]]; then
    ninja "$@" >>"$log" 2>&1
    return
  fi
  local status=0
  ninja "$@" 2>&1 | tee -a "$log" | while IFS= read -r line; do
    [[ $line =~ ^\[[0-9]+/[0-9]+\] ]] && printf '\r   %s' "${BASH_REMATCH[0]}"
  done || status=${PIPESTATUS[0]}
  printf '\r\e[K'
  return "$status"
}

build_failed() {
  grep -A 30 -m 1 -E 'FAILED|rror' "$1" >&2 || tail -n 30 "$1" >&2
  die "the build failed (above; all of it is in $1)"
}
