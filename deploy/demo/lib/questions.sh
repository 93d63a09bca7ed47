# shellcheck shell=bash
# Questions to the collector, as values to compare.

# Every finding that is stored, one JSON object a line.
all_findings() { ctl_json findings list --limit 0 | jq -c '.findings[].finding'; }

# total_findings FILTER: how many were stored that the jq condition holds for.
total_findings() { all_findings | jq -s "[.[] | select($1)] | length"; }
# total_occurrences FILTER: how often these were seen.
total_occurrences() { all_findings | jq -s "[.[] | select($1) | .count | tonumber] | add // 0"; }
# masks FILTER: the distinct cards of these, one line.
masks() { all_findings | jq -rs "[.[] | select($1) | $card_in | .masked] | unique | join(\" \")"; }
# The card of a finding of any kind.
# shellcheck disable=SC2034
card_in='(.card_number // .track_data // {} | .card // {})'
is_card='(.card_number != null or .track_data != null)'

masks_of() {
  local card
  for card in "$@"; do printf '%s\n' "${mask_of[$card]}"; done | sort -u | paste -sd ' '
}

# exposure FILTER: the open exposure that the jq condition holds for; nothing where it is not one.
exposure() {
  ctl_json exposures list | jq -c "[.exposures[] | select($1)] | if length == 1 then .[0] else empty end"
}
exposure_is_there() { [[ -n $(exposure "$1") ]]; }
exposure_has() { [[ $(exposure "$1" | jq -r ".$2") == "$3" ]]; }

script_state() {
  ctl_json scripts list | jq -r --arg name "$1" '.scripts[] | select(.name == $name) | .state'
}
script_is() { [[ $(script_state "$1") == "$2" ]]; }
script_hash() {
  ctl_json scripts list | jq -r --arg name "$1" '.scripts[] | select(.name == $name) | .current.sha256'
}

agent_is_ready() {
  ctl_json agents list | jq -e '.agents[] | select(.state == "STATE_CONNECTED" and (.policy_version | tonumber) > 0)' \
    >/dev/null
}
