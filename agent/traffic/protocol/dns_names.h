#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_NAMES_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_NAMES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "agent/traffic/message.h"
#include "agent/traffic/protocol/content_decoder.h"
#include "agent/traffic/protocol/dns_message.h"
#include "agent/traffic/registered_domain.h"

namespace skimwatch::traffic {

struct FlowContext;
enum class Sender : uint8_t;

// Takes the DNS messages of all flows of a decoder and passes on what can carry data out:
//
// - each name asked for as it is, and what stands before its registered domain with the dots taken
//   out, for a label holds no more than 63 bytes (Part::kName);
// - of names to one registered domain asked by one client, what stands before the domain joined
// from
//   one query to the next, for a name holds no more than 255 bytes: all labels, and in another part
//   the longest label of each, for others may count or name the session (Part::kName). A name that
//   was asked lately (another type, another try) is not joined again;
// - record data that is more than a number or an address, and owners that are not the question
//   (Part::kRecord).
//
// `host` is the registered domain. At most 4096 domains are followed at once, fewer when the
// decoder's memory is used up; the one that was asked longest ago is ended. Thread-compatible.
class DnsNames {
 public:
  DnsNames() = default;
  DnsNames(const DnsNames&) = delete;
  DnsNames& operator=(const DnsNames&) = delete;

  // A message that `sender` sent in `flow`. Counts all of it and returns true, or does nothing and
  // returns false when it is no DNS message.
  bool Take(FlowContext& flow, Sender sender, std::string_view message);
  // Ends what was joined of domains that were last asked before `before`.
  void Expire(absl::Time before);
  void Clear() { Expire(absl::InfiniteFuture()); }

 private:
  static constexpr size_t kDomainsMax = 4096;
  static constexpr uint64_t kDomainBytes = 1024;
  static constexpr size_t kRecentMax = 8;

  // What one client asks about one registered domain.
  struct Domain {
    std::string key;
    absl::Time last_asked;
    DecoderMemory* memory = nullptr;
    Provenance provenance;
    // Of the first name, until a second one shows that there is something to join.
    std::string first_labels;
    std::string first_longest;
    PartConsumer* labels = nullptr;
    PartConsumer* longest = nullptr;
    // Hashes of the names asked last.
    std::array<size_t, kRecentMax> recent{};
    size_t recent_at = 0;
  };

  void TakeName(FlowContext& flow, Sender sender, const DnsName& name);
  void Join(FlowContext& flow, const Provenance& provenance, std::string_view labels,
            std::string_view longest);
  void Remove(std::list<Domain>::iterator domain);

  // From the first message on.
  std::unique_ptr<RegisteredDomains> registered_;
  // The one asked longest ago first.
  std::list<Domain> by_age_;
  absl::flat_hash_map<std::string, std::list<Domain>::iterator> by_key_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_NAMES_H_
