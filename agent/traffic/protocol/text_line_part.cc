#include "agent/traffic/protocol/text_line_part.h"

#include "agent/memory/wipe.h"

namespace skimwatch::traffic {

void TextLinePart::Data(std::string_view bytes) {
  if (bytes.empty()) return;
  flow_.Count(flow_.ReasonOf(sender_), bytes.size());
  if (!has_gap_) noted_ += bytes.substr(0, kNotedBytesMax - noted_.size());
  if (!flow_.Scans(sender_)) return;
  if (consumer_ == nullptr) {
    Provenance provenance;
    flow_.Fill(sender_, std::string_view(), provenance);
    consumer_ = flow_.decoder.sink.BeginPart(provenance, part_);
  }
  consumer_->Data(bytes);
}

void TextLinePart::Gap() {
  has_gap_ = true;
  memory::Wipe(noted_);
  if (consumer_ != nullptr) consumer_->Gap();
}

void TextLinePart::End() {
  if (consumer_ != nullptr) consumer_->End();
  consumer_ = nullptr;
  has_gap_ = false;
  memory::Wipe(noted_);
}

}  // namespace skimwatch::traffic
