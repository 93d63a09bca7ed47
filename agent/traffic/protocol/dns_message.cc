#include "agent/traffic/protocol/dns_message.h"

#include <algorithm>
#include <utility>

namespace skimwatch::traffic {
namespace {

constexpr size_t kNameBytesMax = 255;
constexpr size_t kLabelBytesMax = 63;
constexpr size_t kQuestionTailBytes = 4;
constexpr size_t kRecordTailBytes = 10;
constexpr uint8_t kPointer = 0xc0;
constexpr uint8_t kResponse = 0x80;
// Names decoded of one message: compression lets each record have a long one for two bytes.
constexpr size_t kNamesBytesMax = size_t{256} << 10;

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  size_t at() const { return at_; }
  void set_at(size_t at) { at_ = at; }
  size_t left() const { return message_.size() - at_; }
  uint8_t Byte(size_t at) const { return static_cast<uint8_t>(message_[at]); }
  uint16_t U16(size_t at) const { return static_cast<uint16_t>(Byte(at) << 8 | Byte(at + 1)); }
  std::string_view Bytes(size_t n) {
    const std::string_view bytes = message_.substr(at_, n);
    at_ += n;
    return bytes;
  }

  // Reads the name at the current place and moves behind it. A pointer must point to before the
  // labels that it is a part of, so no chain of them is endless.
  bool Name(DnsName& name) {
    size_t at = at_;
    size_t pointed_from = message_.size();
    size_t begin = at_;
    size_t name_bytes = 1;
    bool moved = false;
    while (at < message_.size()) {
      const uint8_t length = Byte(at);
      if (length == 0) {
        if (!moved) at_ = at + 1;
        names_bytes_ += name.text.size();
        return names_bytes_ <= kNamesBytesMax;
      }
      if ((length & kPointer) == kPointer) {
        if (at + 1 >= message_.size()) return false;
        const size_t target = U16(at) & 0x3fff;
        if (!std::exchange(moved, true)) at_ = at + 2;
        if (target >= begin || target >= pointed_from) return false;
        pointed_from = begin;
        begin = at = target;
        continue;
      }
      name_bytes += length + size_t{1};
      if (length > kLabelBytesMax || name_bytes > kNameBytesMax ||
          at + 1 + length > message_.size()) {
        return false;
      }
      if (!name.label_bytes.empty()) name.text += '.';
      name.text += message_.substr(at + 1, length);
      name.label_bytes.push_back(length);
      at += size_t{1} + length;
    }
    return false;
  }

 private:
  std::string_view message_;
  size_t at_ = 0;
  size_t names_bytes_ = 0;
};

// Where the name begins in the data of a record of that type; nothing for other types.
std::optional<size_t> NameAt(uint16_t type) {
  switch (static_cast<DnsType>(type)) {
    case DnsType::kNs:
    case DnsType::kCname:
    case DnsType::kPtr:
    case DnsType::kDname:
    case DnsType::kSoa:
      return 0;
    case DnsType::kMx:
      return 2;
    case DnsType::kSrv:
      return 6;
    default:
      return std::nullopt;
  }
}

// The strings of TXT, each with its length before it, as one; all as it is where they do not fit.
std::string JoinStrings(std::string_view data) {
  std::string joined;
  for (std::string_view rest = data; !rest.empty();) {
    const size_t length = static_cast<uint8_t>(rest.front());
    if (length + 1 > rest.size()) return std::string(data);
    joined += rest.substr(1, length);
    rest.remove_prefix(length + 1);
  }
  return joined;
}

bool ReadRecord(Reader& reader, DnsRecord& record) {
  if (!reader.Name(record.owner) || reader.left() < kRecordTailBytes) return false;
  record.type = reader.U16(reader.at());
  const size_t data_bytes = reader.U16(reader.at() + 8);
  reader.set_at(reader.at() + kRecordTailBytes);
  if (data_bytes > reader.left()) return false;
  const size_t end = reader.at() + data_bytes;
  if (const std::optional<size_t> name_at = NameAt(record.type);
      name_at.has_value() && *name_at < data_bytes) {
    DnsName name;
    reader.set_at(reader.at() + *name_at);
    if (!reader.Name(name) || reader.at() > end) return false;
    record.data = std::move(name.text);
    // SOA has a second name.
    if (reader.at() < end && static_cast<DnsType>(record.type) == DnsType::kSoa) {
      DnsName second;
      if (!reader.Name(second) || reader.at() > end) return false;
      record.data += ' ' + second.text;
    }
    reader.set_at(end);
    return true;
  }
  const std::string_view data = reader.Bytes(data_bytes);
  const auto type = static_cast<DnsType>(record.type);
  record.data =
      type == DnsType::kTxt || type == DnsType::kSpf ? JoinStrings(data) : std::string(data);
  return true;
}

}  // namespace

bool MayBeDnsMessage(std::string_view beginning) {
  if (beginning.size() < kDnsHeaderBytes) return false;
  const Reader reader(beginning);
  const unsigned operation = reader.Byte(2) >> 3 & 0x0f;
  constexpr unsigned kQuery = 0;
  constexpr unsigned kNotify = 4;
  constexpr unsigned kUpdate = 5;
  constexpr uint8_t kReservedFlag = 0x40;
  if (operation != kQuery && operation != kNotify && operation != kUpdate) return false;
  if ((reader.Byte(3) & kReservedFlag) != 0 || reader.U16(4) != 1) return false;
  constexpr size_t kRecordsMax = 1000;
  const bool is_response = (reader.Byte(2) & kResponse) != 0;
  const size_t answers = reader.U16(6);
  const size_t others = size_t{reader.U16(8)} + reader.U16(10);
  if (answers + others > kRecordsMax) return false;
  // A query has at most what EDNS and signatures (RFC 6891, RFC 8945) add.
  if (operation == kQuery && !is_response && (answers > 0 || others > 4)) return false;
  return beginning.size() == kDnsHeaderBytes || reader.Byte(kDnsHeaderBytes) <= kLabelBytesMax;
}

bool IsDnsResponse(std::string_view beginning) {
  return (static_cast<uint8_t>(beginning[2]) & kResponse) != 0;
}

std::optional<DnsMessage> ParseDnsMessage(std::string_view message) {
  if (message.size() < kDnsHeaderBytes) return std::nullopt;
  Reader reader(message);
  DnsMessage parsed;
  parsed.is_response = IsDnsResponse(message);
  reader.set_at(kDnsHeaderBytes);
  for (size_t i = reader.U16(4); i > 0; --i) {
    DnsName name;
    if (!reader.Name(name) || reader.left() < kQuestionTailBytes) return std::nullopt;
    // IN, CH, HS, NONE, ANY.
    const uint16_t question_class = reader.U16(reader.at() + 2);
    const bool known = (question_class >= 1 && question_class <= 4 && question_class != 2) ||
                       question_class == 254 || question_class == 255;
    if (!known) return std::nullopt;
    reader.set_at(reader.at() + kQuestionTailBytes);
    parsed.questions.push_back(std::move(name));
  }
  const size_t records = size_t{reader.U16(6)} + reader.U16(8) + reader.U16(10);
  for (size_t i = 0; i < records; ++i) {
    DnsRecord record;
    if (!ReadRecord(reader, record)) return std::nullopt;
    parsed.records.push_back(std::move(record));
  }
  if (reader.left() > 0) return std::nullopt;
  return parsed;
}

}  // namespace skimwatch::traffic
