#ifndef SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TLS_RECORDS_H_
#define SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TLS_RECORDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::traffic {

// Follows the records of a direction that was found to be TLS, without reading them: a stream that
// only begins like TLS, or whose records hold plain text, must not go unseen.
class TlsRecords {
 public:
  // Begins at a record.
  void Begin();
  // The next bytes. Returns how many are TLS: fewer than all when a record's header is none, or its
  // data is text.
  size_t Follow(std::string_view bytes);
  // `bytes` are missing, 0 where their number is not known.
  void Gap(uint64_t bytes);

 private:
  // Whether `bytes`, the next of the record, make it text.
  bool IsText(std::string_view bytes);

  // Of the record's header, as far as it has come.
  std::array<char, 5> header_{};
  size_t header_bytes_ = 0;
  uint64_t record_left_ = 0;
  // While the record's data has been nothing but text, how much.
  bool may_be_text_ = false;
  size_t text_bytes_ = 0;
  // Where records begin is not known.
  bool lost_ = false;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_PROTOCOL_TLS_RECORDS_H_
