#include "agent/script/judge/named_hosts.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace skimwatch::script {
namespace {

// A host has at most 253 (RFC 1035, 2.3.4); before it may stand an escape.
constexpr size_t kRunBytesMax = 300;

bool IsHostByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '-';
}

// Bytes of `run` that belong to an escape which began with `before`.
size_t EscapeBytes(char before, std::string_view run) {
  if (before == '%') return 2;
  if (before != '\\') return 0;
  return run[0] == 'x' ? 3 : run[0] == 'u' ? 5 : 1;
}

void Remove(std::string_view name, absl::flat_hash_set<std::string>& hosts) {
  hosts.erase(absl::string_view(name.data(), name.size()));
}

void RemoveRun(std::string_view run, absl::flat_hash_set<std::string>& hosts) {
  Remove(run, hosts);
  // `a.example.` at the end of a sentence; a letter behind the dot would make it another host.
  for (size_t dot = run.find('.'); dot != std::string_view::npos; dot = run.find('.', dot + 1)) {
    if (dot + 1 < run.size() && absl::ascii_isalpha(static_cast<unsigned char>(run[dot + 1])))
      continue;
    Remove(run.substr(0, dot), hosts);
  }
}

}  // namespace

void RemoveNamedHosts(std::string_view text, absl::flat_hash_set<std::string>& hosts) {
  // A name without a dot is one of the own network.
  const bool only_dotted = std::all_of(hosts.begin(), hosts.end(), [](const std::string& host) {
    return host.find('.') != std::string::npos;
  });
  std::string run;
  for (size_t at = 0; at < text.size() && !hosts.empty();) {
    if (!IsHostByte(text[at])) {
      ++at;
      continue;
    }
    const size_t begin = at;
    bool has_dot = false;
    for (; at < text.size() && IsHostByte(text[at]); ++at) has_dot = has_dot || text[at] == '.';
    if (at - begin > kRunBytesMax || (only_dotted && !has_dot)) continue;
    run.assign(text.substr(begin, at - begin));
    absl::AsciiStrToLower(&run);
    RemoveRun(run, hosts);
    const size_t escape = begin == 0 ? 0 : EscapeBytes(text[begin - 1], run);
    if (escape > 0 && escape < run.size()) {
      RemoveRun(std::string_view(run).substr(escape), hosts);
    }
  }
}

}  // namespace skimwatch::script
