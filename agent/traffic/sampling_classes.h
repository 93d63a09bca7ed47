#ifndef SKIMWATCH_AGENT_TRAFFIC_SAMPLING_CLASSES_H_
#define SKIMWATCH_AGENT_TRAFFIC_SAMPLING_CLASSES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/traffic/message.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "skimwatch/config/v1/agent.pb.h"
#include "skimwatch/v1/policy.pb.h"

namespace skimwatch::traffic {

// In which order less is scanned: low priority first.
enum class Priority : uint8_t { kLow, kNormal, kHigh, kCount };

// What is known of a message when it is decided on. What is not known is empty or 0.
struct SampledMessage {
  std::string_view site;
  std::string_view host;
  std::string_view path;
  std::string_view server_address;
  Direction direction = Direction::kUnknown;
  // Of the body that is about to begin.
  std::string_view content_type;
  uint64_t body_bytes = 0;
};

// The classes of messages that share a priority: those of the configuration (`sampling.classes`),
// then, unless it turns them off, those that are built in: expected flows and checkout paths have
// high priority, large bodies of static content have low priority. The first that matches decides.
//
// Immutable and thread-safe.
class SamplingClasses {
 public:
  using ExpectedFlows = google::protobuf::RepeatedPtrField<v1::ExpectedFlow>;

  // A checked configuration; expected flows by their site, host and path, in all lists together.
  static std::shared_ptr<const SamplingClasses> Create(
      const config::v1::Sampling& config, const std::vector<const ExpectedFlows*>& expected);

  Priority PriorityOf(const SampledMessage& message) const;

 private:
  struct Class {
    Priority priority = Priority::kNormal;
    std::vector<std::string> sites;
    std::vector<std::string> hosts;
    std::vector<std::string> paths;
    std::vector<std::string> destinations;
    std::vector<std::string> content_types;
    uint64_t body_bytes_min = 0;
    // Empty for all.
    std::string direction;
  };
  static bool Matches(const Class& one, const SampledMessage& message);

  std::vector<Class> classes_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SAMPLING_CLASSES_H_
