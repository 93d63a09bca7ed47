#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_MESSAGE_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace skimwatch::traffic {

// The bytes of a DNS message's header (RFC 1035 4.1.1).
inline constexpr size_t kDnsHeaderBytes = 12;

// Record types whose data is looked at (https://www.iana.org/assignments/dns-parameters).
enum class DnsType : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kDname = 39,
  kSpf = 99,
};

// A name, compression undone. Labels may hold any bytes, dots as well.
struct DnsName {
  // The labels from left to right with dots between; empty for the root.
  std::string text;
  // The length of each.
  std::vector<uint8_t> label_bytes;
};

struct DnsRecord {
  DnsName owner;
  uint16_t type = 0;
  // As it stands in the message; for types that hold a name (CNAME, MX, SRV ...) that name's text,
  // and for TXT the strings one after another.
  std::string data;
};

struct DnsMessage {
  bool is_response = false;
  std::vector<DnsName> questions;
  std::vector<DnsRecord> records;
};

// Reads a whole message (RFC 1035 4.1), with EDNS (RFC 6891) as one record among the others.
// Nothing when a name is malformed (a pointer that does not point back, more than 255 bytes), when
// records do not fit, or when bytes are left over.
std::optional<DnsMessage> ParseDnsMessage(std::string_view message);

// Whether a message may begin so: an operation that is in use, one question, no more records than a
// message has room for, and that question's beginning. What multicast DNS asks is none.
bool MayBeDnsMessage(std::string_view beginning);
// Of one that may begin so.
bool IsDnsResponse(std::string_view beginning);

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_DNS_MESSAGE_H_
