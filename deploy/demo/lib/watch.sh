# shellcheck shell=bash
# What Skimwatch says, as it says it: `skimwatchctl findings watch` in the background, every finding
# with the moment at which it reached the operator's terminal.

ctl() { "$bin/skimwatchctl" --config "$run/skimwatch/alice.yaml" "$@"; }
ctl_json() { ctl --output json "$@"; }
# Its answer as a person sees it; what is wrong with it an expectation finds.
show() { ctl "$@" 2>&1 | quote || true; }

start_watch() {
  findings_file=$run/skimwatch/logs/findings
  : >"$findings_file"
  # shellcheck disable=SC2016
  start_program watch bash -c '
    coproc watch { exec "$0" --config "$1" --output json findings watch; }
    trap "kill $watch_PID 2>/dev/null; exit" TERM
    while IFS= read -r line <&"${watch[0]}"; do
      printf "%s %s\n" "${EPOCHREALTIME/./}" "$line" >>"$2"
    done' "$bin/skimwatchctl" "$run/skimwatch/alice.yaml" "$findings_file"
}

# Microseconds since 1970.
now_us() { printf '%s' "${EPOCHREALTIME/./}"; }

# find_finding FILTER: sets finding and finding_us to the first finding that came after `mark` and
# that the jq condition holds for (its input is the finding; see finding.proto).
find_finding() {
  local found
  found=$(tail -n +$((mark + 1)) "$findings_file" |
    jq -Rr 'capture("^(?<us>[0-9]+) (?<json>.*)$") as $line | ($line.json | fromjson | .finding) as $stored
            | select($stored != null) | $stored.finding | select('"$1"') | "\($line.us) \(tojson)"' |
    head -n 1)
  [[ -n $found ]] || return 1
  finding_us=${found%% *}
  finding=${found#* }
}

# From here on.
set_mark() {
  mark=$(wc -l <"$findings_file")
  cause_us=$(now_us)
}

# expect_finding WHAT FILTER: awaits it, and shows it with the time since set_mark.
expect_finding() {
  if ! wait_until 10 find_finding "$2"; then
    missed "$1: no such finding within 10 s"
    return
  fi
  local delay_ms=$(((finding_us - cause_us) / 1000))
  slowest_ms=$((delay_ms > slowest_ms ? delay_ms : slowest_ms))
  if ((delay_ms <= delay_max_ms)); then
    met "$1, ${bold}$delay_ms ms${plain} after its cause"
  else
    missed "$1 took $delay_ms ms, more than $delay_max_ms ms"
  fi
  say "      $(describe_finding "$finding")"
}

describe_finding() {
  jq -r '
    def word(prefix): ltrimstr(prefix) | ascii_downcase;
    def where: if .provenance.method != "" then "\(.provenance.method) \(.provenance.path_template)"
               else .provenance.file end;
    [(.severity | word("SEVERITY_")),
     (if .card_number then .card_number | "\(.card.brand) \(.card.masked)"
        + (if .card.test_card then " (test card)" else "" end)
        + (if .encodings | length > 0 then " as " + (.encodings | join(" in ")) else "" end)
      elif .script_change then .script_change
        | "\(.change | word("CHANGE_")) \(.script)"
        + (if .gained_facts | length > 0 then ", new in it: " + ([.gained_facts[].name] | unique | join(", ")) else "" end)
      else .rule end),
     (if .script_change then empty else where, "to \(.destination)" end)] | join(" · ")' <<<"$1"
}
