# shellcheck shell=bash
# Card numbers that nobody has: from the far end of the ranges of Visa and Mastercard, with a valid
# check digit, new in every run. They go to other programs by standard input, never as arguments,
# which every process of the machine can read.

declare -A mask_of=() is_known_mask=()
all_cards=()

# new_card VARIABLE [PREFIX]: sets it to a number whose mask no other card of this run has.
new_card() {
  local -n card_=$1
  local prefix=${2:-49999} body i digit sum
  while true; do
    body=$prefix
    # Not two equal digits in a row, so that no number looks made up.
    while ((${#body} < 15)); do
      digit=$((RANDOM % 10))
      [[ $digit == "${body: -1}" ]] || body+=$digit
    done
    sum=0
    for ((i = 0; i < 15; i++)); do
      digit=${body:i:1}
      ((i % 2 == 0)) && digit=$((digit * 2 > 9 ? digit * 2 - 9 : digit * 2))
      sum=$((sum + digit))
    done
    card_=$body$(((10 - sum % 10) % 10))
    [[ -n ${is_known_mask[$(masked "$card_")]:-} ]] || break
  done
  know_card "$card_"
}

# The number as Skimwatch shows it.
masked() { printf '%s******%s' "${1:0:6}" "${1: -4}"; }

know_card() {
  mask_of[$1]=$(masked "$1")
  is_known_mask[${mask_of[$1]}]=yes
  all_cards+=("$1")
}
