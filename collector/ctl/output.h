#ifndef SKIMWATCH_COLLECTOR_CTL_OUTPUT_H_
#define SKIMWATCH_COLLECTOR_CTL_OUTPUT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "proto/text/table.h"

namespace skimwatch::ctl {

// Standard output in the form that was asked for. Each print is flushed, so that a pipe sees a
// finding when it is found.
class Output {
 public:
  Output(bool json, bool headers) : json_(json), headers_(headers) {}

  bool json() const { return json_; }

  // One JSON object in a line.
  void Json(const google::protobuf::Message& message);
  void Raw(std::string_view text);
  void Rows(const text::Table& table);
  // Names and values, one pair a line; pairs without a value are left out.
  void Pairs(const std::vector<std::pair<std::string, std::string>>& pairs);
  // A line of our own words.
  void Line(std::string_view text);
  // A line for a person, on standard error, where nobody parses it.
  static void Note(std::string_view text);

  // An error when standard output did not take everything, such as a full disk.
  static absl::Status Flush();

 private:
  const bool json_;
  const bool headers_;
};

}  // namespace skimwatch::ctl

#endif  // SKIMWATCH_COLLECTOR_CTL_OUTPUT_H_
