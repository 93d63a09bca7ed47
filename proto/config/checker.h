#ifndef SKIMWATCH_PROTO_CONFIG_CHECKER_H_
#define SKIMWATCH_PROTO_CONFIG_CHECKER_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "google/protobuf/message.h"
#include "proto/config/error_list.h"
#include "proto/config/source_map.h"

namespace skimwatch::config {

// One message of a configuration, to be filled with defaults and checked field by field. Fields are
// named as in the .proto, which makes the checks a table that reads like its comments; a name that
// is not there ends the program, so a test that loads any configuration finds it.
//
//   Checker limits = root.Message("limits");
//   limits.Number("flows_max", 65536, 16, 16777216);
//
// A value: the message, errors and positions must outlive it.
class Checker {
 public:
  Checker(google::protobuf::Message& message, std::string path, const SourceMap& positions,
          ErrorList& errors)
      : message_(&message), path_(std::move(path)), positions_(&positions), errors_(&errors) {}

  // The message in `field`, made when it was not there.
  Checker Message(std::string_view field) const;
  // Calls `check` with each message of a repeated field.
  void Each(std::string_view field, const std::function<void(Checker)>& check) const;

  // Sets a number that was left out; one that was written, 0 too, must be in [min, max].
  void Number(std::string_view field, uint64_t otherwise, uint64_t min, uint64_t max) const;
  // Sets a text that is empty. Written as empty it is an error.
  void Text(std::string_view field, std::string_view otherwise) const;
  // The same for a text that is one of `values`.
  void OneOf(std::string_view field, std::string_view otherwise,
             std::initializer_list<std::string_view> values) const;
  // Sets a switch that was left out (and says so in the message, where that is told apart).
  void Switch(std::string_view field, bool otherwise) const;
  // An error unless the text is there.
  bool Required(std::string_view field, std::string_view expected) const;
  // An error unless the text is empty or `is_valid`.
  void Valid(std::string_view field, const std::function<bool(std::string_view)>& is_valid,
             std::string_view expected) const;
  // The same for each text of a repeated field; two that are equal are an error as well.
  void EachValid(std::string_view field, const std::function<bool(std::string_view)>& is_valid,
                 std::string_view expected) const;

  // Sets the texts of a repeated field that is empty.
  void Texts(std::string_view field, std::initializer_list<std::string_view> otherwise) const;
  // An error when a repeated field is empty.
  void NotEmpty(std::string_view field, std::string_view expected) const;
  // An error for a text (each text of a repeated field) that was in another message before. `seen`
  // says where; texts that are equal within one message are EachValid's.
  void Unique(std::string_view field, std::map<std::string, std::string>& seen) const;
  // Puts the text (each text of a repeated field) in lower case.
  void LowerCase(std::string_view field) const;

  // Whether the field was written, as 0 or not.
  bool Given(std::string_view field) const { return positions_->Has(FieldPath(path_, field)); }
  std::string Get(std::string_view field) const;
  bool GetSwitch(std::string_view field) const;
  const std::string& path() const { return path_; }

  // An error at `field` (`hosts[1]`), or at the message itself when that is empty. `found` and
  // `expected` are fit for a terminal.
  void Error(std::string_view field, std::string_view found, std::string_view expected) const;

 private:
  const google::protobuf::FieldDescriptor& Field(std::string_view name) const;

  google::protobuf::Message* message_;
  std::string path_;
  const SourceMap* positions_;
  ErrorList* errors_;
};

}  // namespace skimwatch::config

#endif  // SKIMWATCH_PROTO_CONFIG_CHECKER_H_
