#include "proto/validation/text_limits.h"

#include <map>
#include <string_view>

#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::validation {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

struct Entry {
  // Message and field, without the package.
  std::string_view field;
  size_t bytes_max;
  Content content = Content::kText;
  int items_max = 1;
};

// Paths: Linux's PATH_MAX. Hosts: RFC 1035, 2.3.4, written with dots. Values of headers: what web
// servers take in a response header by default.
constexpr Entry kEntries[] = {
    {"Finding.site", 63},
    {"Finding.rule", 64},
    {"Finding.destination", 4096},
    {"Endpoint.address", 64},
    {"Provenance.host", 255},
    {"Provenance.method", 32},
    {"Provenance.path_template", 512},
    {"Provenance.file", 4096},
    {"Provenance.part", 32},
    {"Provenance.referrer", 512},
    {"Provenance.server_name", 255},
    {"Process.executable", 4096},
    {"Process.command", 4096},
    // Looked at like a name: who writes to the journal says which container it is in.
    {"Process.container_id", 128},
    {"Process.cgroup", 4096},
    {"Card.masked", 19, Content::kMask},
    {"Card.brand", 32},
    {"Card.fingerprint", 32, Content::kSha256},
    {"Card.fingerprint_key_id", 128, Content::kIdentifier},
    {"CardNumber.encodings", 32, Content::kText, 8},
    {"CardNumber.evidence", 128, Content::kText, 32},
    {"TrackData.encodings", 32, Content::kText, 8},
    {"TrackData.evidence", 128, Content::kText, 32},
    {"ScriptVersion.sha256", 32, Content::kSha256},
    {"ScriptVersion.integrity", 128, Content::kIdentifier},
    {"ScriptChange.script", 4160},
    {"ScriptChange.page", 4096},
    {"ScriptChange.facts", 0, Content::kText, 256},
    {"ScriptChange.gained_facts", 0, Content::kText, 256},
    {"ScriptChange.diff", 256 << 10, Content::kLines},
    {"ScriptChange.reasons", 240, Content::kText, 32},
    {"ScriptChange.functions", 0, Content::kText, 24},
    {"ScriptChange.not_judged", 240},
    {"ScriptChange.initiator", 4160},
    {"ScriptChange.seen_as", 32},
    {"ScriptChange.integrity_methods", 32, Content::kText, 8},
    {"ScriptBehaviour.facts", 0, Content::kText, 1000},
    {"ScriptBehaviour.incomplete", 240},
    {"FunctionChange.name", 120},
    {"FunctionChange.excerpt", 400, Content::kLines},
    {"FunctionChange.previous_excerpt", 400, Content::kLines},
    {"ScriptFact.name", 64},
    {"ScriptFact.excerpt", 120, Content::kLines},
    {"HeaderChange.page", 4096},
    {"HeaderChange.header", 128},
    {"HeaderChange.previous", 16384},
    {"HeaderChange.current", 16384},
    {"BrowserReport.type", 64},
    {"BrowserReport.page", 4096},
    {"BrowserReport.blocked_url", 4096},
    {"BrowserReport.effective_directive", 128},
    {"BrowserReport.script_sha256", 32, Content::kSha256},
    {"Canary.page", 4096},
    {"Canary.run_id", 64, Content::kIdentifier},
    {"Canary.encodings", 32, Content::kText, 8},
    {"Canary.script", 4160},
    {"DestinationChange.name", 255},
    {"DestinationChange.process", 4096},
    {"DestinationChange.addresses", 64, Content::kText, 64},
    {"DestinationChange.hosts", 255, Content::kText, 64},
    {"DestinationChange.alpn", 64, Content::kText, 64},
    {"DestinationChange.ja4", 64, Content::kIdentifier, 64},
    {"OpaquePayload.form", 32},
};

using Limits = std::map<const Descriptor*, std::vector<TextLimit>>;

const std::vector<TextLimit>* AddMessage(const Descriptor* message, Limits& limits) {
  const auto [entry, is_new] = limits.try_emplace(message);
  if (!is_new) return &entry->second;
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!is_message && field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
    // Times have no text.
    if (is_message && field->message_type()->file()->package() == "google.protobuf") continue;
    TextLimit limit{.field = field, .content = Content::kText, .bytes_max = 256, .items_max = 32};
    const std::string_view name =
        std::string_view(field->full_name()).substr(message->file()->package().size() + 1);
    for (const Entry& known : kEntries) {
      if (known.field != name) continue;
      limit.content = known.content;
      limit.bytes_max = known.bytes_max;
      limit.items_max = known.items_max;
    }
    if (is_message) limit.nested = AddMessage(field->message_type(), limits);
    entry->second.push_back(limit);
  }
  return &entry->second;
}

}  // namespace

const std::vector<TextLimit>& FindingTextLimits() {
  // Constant once built; never destroyed, so that it can be used to the end of the program.
  static const auto& limits = *[] {
    auto* all = new Limits;
    AddMessage(v1::Finding::descriptor(), *all);
    return all;
  }();
  return limits.at(v1::Finding::descriptor());
}

}  // namespace skimwatch::validation
