# shellcheck shell=bash
# The run's folder, its ports, its programs, and their end.
#
# $run/shop is the shop's: its pages, its logs, with what it leaks. $run/skimwatch is Skimwatch's: no
# file in it may ever hold a card number, and the story checks that.

declare -A pid_of=()

make_run_folder() {
  umask 077
  run=$(mktemp -d "${TMPDIR:-/tmp}/skimwatch-demo.XXXXXX")
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  mkdir -p "$run"/shop/{logs,tmp} "$run"/skimwatch/{tls,keys,collector,agent,logs}
}

clean_up() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  # The collector last, so that nobody waits for another.
  local name
  if [[ ! $status =~ ^(0|130|143)$ ]]; then show_logs; fi
  for name in watch nginx agent collector; do stop_program "$name"; done
  if [[ $keep == yes ]]; then
    printf '\nkept: %s\n' "$run"
  else
    rm -rf "$run"
  fi
  exit "$status"
}

# The ends of the logs, for who can't look at a folder that is gone.
show_logs() {
  local name
  for name in collector agent watch; do
    [[ -s $run/skimwatch/logs/$name.log ]] || continue
    printf '\n%s:\n' "the end of the log of $name"
    tail -n 15 "$run/skimwatch/logs/$name.log"
  done >&2
}

# start_program NAME COMMAND...: in the background, apart from the terminal's Ctrl-C, so that the ends
# come in order.
start_program() {
  local name=$1
  shift
  setsid "$@" </dev/null >>"$run/skimwatch/logs/$name.log" 2>&1 &
  pid_of[$name]=$!
}

is_running() { [[ -n ${pid_of[$1]:-} ]] && kill -0 "${pid_of[$1]}" 2>/dev/null; }

# Asks for the end, and insists after ten seconds.
stop_program() {
  local pid=${pid_of[$1]:-} i
  [[ -n $pid ]] || return 0
  unset "pid_of[$1]"
  kill -TERM "$pid" 2>/dev/null || true
  for ((i = 0; i < 200; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# wait_until SECONDS COMMAND...: until it succeeds.
wait_until() {
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
  shift
  until "$@"; do
    ((${EPOCHREALTIME/./} < deadline)) || return 1
    sleep 0.05
  done
}

program_failed() {
  tail -n 20 "$run/skimwatch/logs/$1.log" >&2 || true
  [[ $1 == nginx ]] && tail -n 5 "$run/shop/logs/error.log" >&2
  die "$2 (its log is above)"
}

port_is_free() {
  local hex
  printf -v hex ':%04X' "$1"
  ! awk -v port="$hex" 'substr($2, length($2) - 4) == port { found = 1 } END { exit !found }' \
    /proc/net/tcp /proc/net/tcp6
}

# Ports of the web servers, below those the kernel gives to connections. The programs find free ones
# themselves (0) unless --port-base says otherwise.
choose_ports() {
  collector_port=0 collector_metrics_port=0 agent_metrics_port=0
  if [[ -n $port_base ]]; then
    shop_port=$port_base chat_port=$((port_base + 1)) processor_port=$((port_base + 2))
    collector_port=$((port_base + 3)) collector_metrics_port=$((port_base + 4))
    agent_metrics_port=$((port_base + 5))
    local port
    for ((port = port_base; port < port_base + 6; port++)); do
      port_is_free "$port" || die "port $port is in use; choose another --port-base, or none"
    done
    return
  fi
  local base
  while true; do
    base=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    port_is_free "$base" && port_is_free $((base + 1)) && port_is_free $((base + 2)) && break
  done
  shop_port=$base chat_port=$((base + 1)) processor_port=$((base + 2))
}

# render TEMPLATE TARGET: @NAME@ becomes what the variable `name` holds.
render() {
  local text name
  text=$(<"$demo_dir/templates/$1")
  for name in run shop_port chat_port processor_port collector_port collector_metrics_port \
    agent_metrics_port operator; do
    text=${text//"@${name^^}@"/"${!name:-}"}
  done
  printf '%s\n' "$text" >"$2"
}

# Between the choice of a port and its use another program may take it: then others are tried.
start_nginx() {
  local attempt
  cp -r "$demo_dir/shop" "$run/shop/html"
  mkdir "$run/shop/html/vendor"
  cp "$demo_dir/scripts/chat-1.0.js" "$run/shop/html/vendor/chat.js"
  for attempt in 1 2 3 4 5; do
    render nginx.conf.in "$run/shop/nginx.conf"
    start_program nginx nginx -e logs/error.log -p "$run/shop/" -c nginx.conf
    wait_until 10 nginx_settled
    is_running nginx && return
    grep -q 'Address already in use' "$run/skimwatch/logs/nginx.log" && [[ -z $port_base ]] || break
    choose_ports
    : >"$run/skimwatch/logs/nginx.log"
  done
  program_failed nginx "nginx did not start"
}
nginx_settled() {
  ! is_running nginx ||
    curl -sf -o /dev/null -H 'Host: shop.example' "http://127.0.0.1:$shop_port/order/status"
}

# port_from FILE KEY
port_from() { sed -n "s/^$2=//p" "$1"; }

start_collector() {
  local ports=$run/skimwatch/collector/ports
  render collector.yaml.in "$run/skimwatch/collector.yaml"
  start_program collector "$bin/skimwatch-collector" --config "$run/skimwatch/collector.yaml" \
    --port-file "$ports"
  wait_until 30 started collector "$ports" && [[ -f $ports ]] ||
    program_failed collector "the collector did not start"
  collector_port=$(port_from "$ports" listen)
  collector_metrics_port=$(port_from "$ports" metrics)
  local operator
  for operator in alice viewer; do
    render ctl.yaml.in "$run/skimwatch/$operator.yaml"
  done
}

start_agent() {
  local ports=$run/skimwatch/agent/ports
  render agent.yaml.in "$run/skimwatch/agent.yaml"
  start_program agent "$bin/skimwatch-agent" --config "$run/skimwatch/agent.yaml" --port-file "$ports"
  wait_until 30 started agent "$ports" && [[ -f $ports ]] ||
    program_failed agent "the agent did not start"
  agent_metrics_port=$(port_from "$ports" metrics)
}
started() { [[ -f $2 ]] || ! is_running "$1"; }
