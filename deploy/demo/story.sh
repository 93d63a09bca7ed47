# shellcheck shell=bash
# The story, step by step. Each says what it does, does it, and compares what Skimwatch says with what
# was planted.

slowest_ms=0
chat=vendor/chat.js

tell_story() {
  read_the_inventory
  normal_checkouts
  alter_the_script
  cards_leave
  number_in_the_log
  look_at_exposures
  check_cards
  put_the_script_back
  decide_on_an_update
  compare_planted_and_stored
  look_for_numbers
}

read_the_inventory() {
  chapter "The agent proposes a baseline of the shop's scripts; nothing is approved by itself"
  wait_until 20 agent_is_ready || program_failed agent "the agent did not connect to the collector"
  wait_until 10 baseline_is_there || true
  expect_equal "scripts found" "checkout.html#inline-1 js/shop.js $chat" \
    "$(ctl_json scripts list --state unapproved | jq -r '[.scripts[].name] | sort | join(" ")')"
  say "Alice reads them and approves them, with a reason (PCI DSS 6.4.3):"
  local name
  for name in checkout.html#inline-1 js/shop.js $chat; do
    ctl scripts approve "$name" "$(script_hash "$name")" --justification "Part of the shop, read by Alice" \
      >/dev/null || true
  done
  command_line skimwatchctl scripts list
  show scripts list
  expect_equal "approved scripts" 3 "$(ctl_json scripts list --state approved | jq '.scripts | length')"
  local answer
  answer=$("$bin/skimwatchctl" --config "$run/skimwatch/viewer.yaml" scripts revoke $chat \
    "$(script_hash $chat)" --reason "not my decision" 2>&1) || true
  expect_equal "a viewer may not take it back" refused \
    "$(if [[ $answer == *approver* ]]; then echo refused; else echo "$answer"; fi)"
}
baseline_is_there() { [[ $(ctl_json scripts list | jq '.scripts | length') == 3 ]]; }

normal_checkouts() {
  chapter "Shoppers pay; the shop sends their cards to the payment processor, where cards belong"
  browser_note
  local i card
  paid_cards=()
  for i in 1 2 3 4 5; do
    new_card card 49999
    paid_cards+=("$card")
    shopper_pays "$card"
  done
  wait_until 10 all_paid_are_stored || true
  expect_equal "cards seen on their way to the processor" "$(masks_of "${paid_cards[@]}")" \
    "$(masks "$is_card and .expected")"
  expect_equal "times" 5 "$(total_occurrences "$is_card and .expected")"
  expect_equal "what else was seen" 0 "$(total_findings "$is_card and (.expected | not)")"
  expect_equal "exposures" 0 "$(ctl_json exposures list | jq '.exposures | length')"
}
all_paid_are_stored() { [[ $(total_occurrences "$is_card and .expected") == 5 ]]; }
browser_note() {
  if [[ -n $node_program ]]; then
    say "(There is no browser here: Node.js loads the shop's page and runs its scripts, with as much of a"
    say "document around them as they use. See deploy/demo/scripts/browser.mjs.)"
  else
    say "(There is no browser here: curl sends what the page's scripts would send.)"
  fi
}

alter_the_script() {
  chapter "Somebody alters the chat script on the server"
  set_mark
  put_script chat-skimmer.js
  expect_finding "the change was seen, and is graded critical" \
    '.script_change.script == "vendor/chat.js" and .script_change.change == "CHANGE_CHANGED" and
     .severity == "SEVERITY_CRITICAL"'
  wait_until 5 script_is $chat STATE_CHANGED || true
  expect_equal "state of the script" STATE_CHANGED "$(script_state $chat)"
  command_line skimwatchctl scripts diff $chat
  show scripts diff $chat
  exposure_is_there '.kind == "FINDING_KIND_SCRIPT_CHANGE"' ||
    missed "an exposure for the script is open: there is none"
}

# What leaves goes to the chat's host.
to_vendor='(.destination | contains("chat.vendor.example"))'
surely_wrong='(.confidence == "CONFIDENCE_HIGH" and (.expected | not))'

cards_leave() {
  local card
  clear_cards=() image_cards=()
  leaving_from=$(date -u +%FT%T)
  chapter "Card numbers leave for the chat vendor's host, in the clear"
  for _ in 1 2 3; do
    new_card card 27209
    clear_cards+=("$card")
    set_mark
    shopper_pays "$card"
    expect_finding "${mask_of[$card]} was seen leaving" \
      "$card_in.masked == \"${mask_of[$card]}\" and $to_vendor and $surely_wrong"
  done
  chapter "Card numbers leave as base64 in the address of an image"
  for _ in 1 2; do
    new_card card 49998
    image_cards+=("$card")
    set_mark
    shopper_pays "$card" '#quiet'
    expect_finding "${mask_of[$card]} was seen leaving" \
      "$card_in.masked == \"${mask_of[$card]}\" and $to_vendor and $surely_wrong and
       ((.card_number // .track_data).encodings | index(\"base64\") != null)"
  done
  chapter "A published test number leaves: shown as one, and not counted among the shoppers' cards"
  test_card=4242424242424242
  know_card $test_card
  set_mark
  shopper_pays $test_card
  expect_finding "the test card was seen and is labelled" \
    "$card_in.masked == \"${mask_of[$test_card]}\" and $card_in.test_card and $to_vendor"
  expect_equal "what the vendor's host took (forms, images)" "4 2" \
    "$(grep -c 'POST /transcript ' "$run/shop/logs/chat-vendor.log") $(grep -c 'GET /pixel.gif ' "$run/shop/logs/chat-vendor.log")"
}

number_in_the_log() {
  chapter "The shop writes a card number into its own access log"
  new_card logged_card 49997
  set_mark
  shopper_asks_with_number_in_address "$logged_card"
  expect_finding "${mask_of[$logged_card]} was seen in the log" \
    "$card_in.masked == \"${mask_of[$logged_card]}\" and $surely_wrong and
     (.provenance.file | endswith(\"access.log\"))"
}

# The exposures as conditions on jq's input.
clear_exposure='(.channel == "POST /transcript")'
image_exposure='(.channel == "GET /pixel.gif")'
log_exposure='(.channel | endswith("access.log"))'

look_at_exposures() {
  chapter "What is to be done: exposures, each with its window, destination and distinct cards"
  wait_until 10 exposure_has "$clear_exposure" distinct_cards 4 || true
  wait_until 10 exposure_has "$image_exposure" distinct_cards 2 || true
  wait_until 10 exposure_has "$log_exposure" distinct_cards 1 || true
  command_line skimwatchctl exposures list
  show exposures list
  local id
  id=$(exposure "$clear_exposure" | jq -r .id)
  command_line "skimwatchctl exposures show $id"
  show exposures show "${id:-0}"
  expect_exposure "in the clear" "$clear_exposure" 3 1 chat.vendor.example
  expect_exposure "in an image's address" "$image_exposure" 2 0 chat.vendor.example
  expect_exposure "in the log" "$log_exposure" 1 0 access.log
  expect_equal "encodings of the image's exposure" base64 \
    "$(exposure "$image_exposure" | jq -r '.encodings | map(select(. == "base64")) | join(" ")')"
  expect_equal "open exposures in all (three of cards, one of a script)" 4 \
    "$(ctl_json exposures list | jq '.exposures | length')"
}

# expect_exposure WHAT FILTER CARDS TEST_CARDS DESTINATION
expect_exposure() {
  local found
  found=$(exposure "$2")
  if [[ -z $found ]]; then
    missed "exposure $1: there is none, or more than one"
    return
  fi
  expect_equal "exposure $1: distinct cards, test cards" "$3 $4" \
    "$(jq -r '"\((.distinct_cards | tonumber) - (.distinct_test_cards | tonumber)) \(.distinct_test_cards)"' <<<"$found")"
  expect_equal "exposure $1: destination" "$5" \
    "$(jq -r --arg expected "$5" 'if .destination | contains($expected) then $expected else .destination end' <<<"$found")"
  expect_equal "exposure $1: its window is in this run's" true \
    "$(jq -r --arg from "$leaving_from" --arg to "$(date -u +%FT%TZ)" \
      '.first_seen >= $from and .first_seen <= .last_seen and .last_seen[0:19] <= $to[0:19]' <<<"$found")"
}

check_cards() {
  chapter "Was this card among them? The number goes in by standard input, its keyed fingerprint is asked for"
  local status=0 answer unused
  command_line "skimwatchctl card check   (a card that left in the clear)"
  answer=$(printf '%s\n' "${clear_cards[0]}" | ctl card check) || status=$?
  quote <<<"$answer"
  expect_equal "a card that left (exit code)" 0 "$status"
  expect_card "a card that left in the clear" "${clear_cards[0]}" "true true false"
  expect_card "a card that went to the processor only" "${paid_cards[0]}" "true true"
  new_card unused
  expect_card "a card that was never used" "$unused" "false"
}

# expect_card WHAT CARD "SEEN [EXPECTED...]": whether it was seen, and for each way whether that was
# expected.
expect_card() {
  expect_equal "$1 (seen, expected...)" "$3" \
    "$({ printf '%s\n' "$2" | ctl_json card check || true; } |
      jq -r '[.seen, (.sightings | map(.expected) | sort | reverse | .[])] | map(tostring) | join(" ")')"
}

put_the_script_back() {
  chapter "The approved script is put back: the exposure of the script closes by itself"
  set_mark
  put_script chat-1.0.js
  expect_finding "the return was seen" \
    '.script_change.script == "vendor/chat.js" and .script_change.change == "CHANGE_RESTORED"'
  wait_until 5 script_is $chat STATE_APPROVED || true
  expect_equal "state of the script" STATE_APPROVED "$(script_state $chat)"
  expect_equal "open exposures of scripts" 0 \
    "$(ctl_json exposures list --kind script_change | jq '.exposures | length')"
}

decide_on_an_update() {
  chapter "The vendor publishes an update: read, approved, and the approval taken back"
  set_mark
  put_script chat-1.1.js
  expect_finding "the update was seen, and is graded less" \
    '.script_change.script == "vendor/chat.js" and .script_change.change == "CHANGE_CHANGED" and
     .severity != "SEVERITY_CRITICAL"'
  wait_until 5 script_is $chat STATE_CHANGED || true
  local hash
  hash=$(script_hash $chat)
  command_line "skimwatchctl scripts approve $chat ${hash:0:16} --justification ..."
  show scripts approve $chat "${hash:0:16}" \
    --justification "Chat 1.1: new label, checked against the vendor's release"
  expect_equal "state after the approval" STATE_APPROVED "$(script_state $chat)"
  expect_equal "open exposures of scripts" 0 \
    "$(ctl_json exposures list --kind script_change | jq '.exposures | length')"
  command_line "skimwatchctl scripts revoke $chat ${hash:0:16} --reason ..."
  show scripts revoke $chat "${hash:0:16}" --reason "The vendor withdrew 1.1"
  expect_equal "state after the revocation" STATE_CHANGED "$(script_state $chat)"
  expect_equal "open exposures of scripts" 1 \
    "$(ctl_json exposures list --kind script_change | jq '.exposures | length')"
  put_script chat-1.0.js
  wait_until 5 script_is $chat STATE_APPROVED || true
  expect_equal "state with 1.0 back" STATE_APPROVED "$(script_state $chat)"
}

compare_planted_and_stored() {
  chapter "Planted and stored"
  local all=("${clear_cards[@]}" "${image_cards[@]}" "$logged_card" "$test_card")
  # Those who paid with the altered script went to the processor as well.
  local paid=("${paid_cards[@]}" "${clear_cards[@]}" "${image_cards[@]}" "$test_card")
  wait_until 5 everything_is_stored "${#paid[@]}" || true
  expect_equal "cards where they should not be" "$(masks_of "${all[@]}")" \
    "$(masks "$is_card and (.expected | not)")"
  expect_equal "how often" "${#all[@]}" "$(total_occurrences "$is_card and (.expected | not)")"
  expect_equal "cards at the processor" "$(masks_of "${paid[@]}")" "$(masks "$is_card and .expected")"
  expect_equal "how often" "${#paid[@]}" "$(total_occurrences "$is_card and .expected")"
  expect_equal "what the processor took" "${#paid[@]}" \
    "$(grep -c 'POST /v1/charges ' "$run/shop/logs/processor.log")"
  expect_equal "the same by /metrics: distinct cards in open exposures" 7 "$(metric_distinct_cards)"
  expect_equal "findings lost" 0 "$(metric skimwatch_findings_lost_total)"
}
everything_is_stored() { [[ $(total_occurrences "$is_card and .expected") -ge $1 ]]; }
metrics() { curl -sf "http://127.0.0.1:$collector_metrics_port/metrics"; }
metric() { metrics | awk -v name="$1" '$1 == name { print $2 }'; }
metric_distinct_cards() {
  metrics | awk '/^skimwatch_exposure_distinct_cards[{]/ { sum += $2 } END { print sum + 0 }'
}

look_for_numbers() {
  chapter "No full card number in any file of Skimwatch"
  local files
  files=$(find "$run/skimwatch" -type f | wc -l)
  expect_equal "planted numbers in the $files files of spool, store, state, keys and logs" 0 \
    "$(numbers_in "$run/skimwatch")"
  # The search finds what is there: the number that the shop itself logged.
  expect_equal "planted numbers in the shop's own log" 1 "$(numbers_in "$run/shop/logs")"
}

# numbers_in FOLDER: how many of the planted numbers stand in its files, plain, in groups or in base64.
numbers_in() {
  local card found=0
  for card in "${all_cards[@]}"; do
    if grep -raqF -f <(forms_of "$card") "$1"; then found=$((found + 1)); fi
  done
  printf '%s' "$found"
}
forms_of() {
  local grouped="${1:0:4} ${1:4:4} ${1:8:4} ${1:12:4}" i
  printf '%s\n' "$1" "$grouped" "${grouped// /-}"
  # Base64 at each of the three alignments, without the letters that neighbours have a part in.
  for i in 0 1 2; do
    printf '%.*s%s' "$i" '..' "$1" | base64 -w 0 | cut -c "$((i == 0 ? 1 : i + 2))-$(((16 + i) / 3 * 4))"
  done
}

# Slowly, until Ctrl-C, so that dashboards live: shoppers pay, and now and then the altered script is
# there for a while.
keep_going() {
  chapter "The shop goes on"
  say "metrics      http://127.0.0.1:$collector_metrics_port/metrics (collector)"
  say "             http://127.0.0.1:$agent_metrics_port/metrics (agent)"
  say "shop         http://127.0.0.1:$shop_port/ (Host: shop.example)"
  say "ask yourself $bin/skimwatchctl --config $run/skimwatch/alice.yaml exposures list"
  say "Ctrl-C ends everything and removes it."
  # For who waits for this moment.
  printf 'shop=%s\ncollector=%s\ncollector_metrics=%s\nagent_metrics=%s\n' "$shop_port" \
    "$collector_port" "$collector_metrics_port" "$agent_metrics_port" >"$run/ready.new"
  mv "$run/ready.new" "$run/ready"
  local round card
  # Twenty cards, over and over: the run must not grow.
  local regulars=()
  for ((round = 0; round < 20; round++)); do
    new_card card
    regulars+=("$card")
  done
  for ((round = 1; ; round++)); do
    case $((round % 30)) in
      10) put_script chat-skimmer.js ;;
      14) put_script chat-1.0.js ;;
    esac
    shopper_pays "${regulars[RANDOM % 20]}" || true
    # In the background, so that a signal ends it at once.
    sleep 2 &
    wait $!
    local name
    for name in nginx collector agent; do
      is_running "$name" || program_failed "$name" "$name ended by itself"
    done
  done
}
