# shellcheck shell=bash
# What the quickstart says. Colour only on a terminal.

if [[ -t 1 && ${TERM:-dumb} != dumb && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' plain=$'\e[0m'
else
  bold='' green='' red='' dim='' plain=''
fi

checks_passed=0
checks_failed=0

chapter() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
command_line() { printf '   %s$ %s%s\n' "$dim" "$*" "$plain"; }
# Text of another program, set in.
quote() { sed 's/^/     /'; }

# An expectation of the story: counted, and the run fails in the end where one is not met.
met() {
  checks_passed=$((checks_passed + 1))
  printf '   %sok%s    %s\n' "$green" "$plain" "$*"
}
missed() {
  checks_failed=$((checks_failed + 1))
  printf '   %sFAIL%s  %s\n' "$red" "$plain" "$*"
}
# expect_equal WHAT EXPECTED FOUND
expect_equal() {
  if [[ $2 == "$3" ]]; then met "$1: $2"; else missed "$1: expected ${2:-nothing}, found ${3:-nothing}"; fi
}

die() {
  printf '%squickstart: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}
