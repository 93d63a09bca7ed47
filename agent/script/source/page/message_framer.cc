#include "agent/script/source/page/message_framer.h"

namespace skimwatch::script {

bool MessageFramer::Add(std::string_view bytes) {
  buffer_.erase(0, begin_);
  searched_ -= begin_;
  begin_ = 0;
  buffer_.append(bytes);
  return buffer_.find('\0', searched_) != std::string::npos || buffer_.size() <= message_bytes_max_;
}

std::optional<std::string_view> MessageFramer::Next() {
  while (true) {
    const size_t end = buffer_.find('\0', searched_);
    if (end == std::string::npos) {
      searched_ = buffer_.size();
      return std::nullopt;
    }
    const std::string_view message = std::string_view(buffer_).substr(begin_, end - begin_);
    begin_ = searched_ = end + 1;
    if (!message.empty()) return message;
  }
}

}  // namespace skimwatch::script
