#include "tests/agent/traffic/support/recording_sink.h"

#include <gtest/gtest.h>

namespace skimwatch::traffic::testing {

class RecordingSink::Recorder final : public PartConsumer {
 public:
  Recorder(const Provenance& provenance, Part part)
      : record{.provenance = provenance, .part = part} {}

  void Data(std::string_view bytes) override {
    EXPECT_FALSE(record.ended) << record;
    record.bytes += bytes;
  }
  void Gap() override {
    EXPECT_FALSE(record.ended) << record;
    record.bytes += kGapMark;
  }
  void End() override {
    EXPECT_FALSE(record.ended) << record;
    record.ended = true;
  }

  RecordedPart record;
};

PartConsumer* RecordingSink::BeginPart(const Provenance& provenance, Part part) {
  recorders_.push_back(std::make_shared<Recorder>(provenance, part));
  return recorders_.back().get();
}

std::vector<RecordedPart> RecordingSink::parts() const {
  std::vector<RecordedPart> parts;
  for (const auto& recorder : recorders_) parts.push_back(recorder->record);
  return parts;
}

std::vector<RecordedPart> RecordingSink::parts(Part part) const {
  std::vector<RecordedPart> parts;
  for (const auto& recorder : recorders_) {
    if (recorder->record.part == part) parts.push_back(recorder->record);
  }
  return parts;
}

std::string RecordingSink::only(Part part) const {
  const std::vector<RecordedPart> found = parts(part);
  EXPECT_EQ(found.size(), 1U) << PartName(part);
  return found.size() == 1 ? found.front().bytes : std::string();
}

std::vector<std::string> RecordingSink::descriptions() const {
  std::vector<std::string> all;
  for (const auto& recorder : recorders_) all.push_back(Describe(recorder->record));
  return all;
}

std::string Describe(const RecordedPart& part) {
  std::string text(PartName(part.part));
  text += ' ' + part.provenance.method + ' ' + part.provenance.host + part.provenance.path;
  if (!part.provenance.content_type.empty()) text += " (" + part.provenance.content_type + ')';
  return text + (part.ended ? ": " : " (open): ") + part.bytes;
}

std::ostream& operator<<(std::ostream& out, const RecordedPart& part) {
  return out << Describe(part);
}

}  // namespace skimwatch::traffic::testing
