#include "agent/traffic/protocol/syslog_parser.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "agent/traffic/protocol/text_line_part.h"

namespace skimwatch::traffic {
namespace {

constexpr unsigned kPriorityMax = 191;
constexpr size_t kLengthDigitsMax = 9;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// One direction.
class SyslogStream {
 public:
  SyslogStream(FlowContext& flow, Sender sender)
      : flow_(flow), message_(flow, sender, Part::kMessage) {}

  void Data(std::string_view bytes) {
    while (!bytes.empty()) bytes.remove_prefix(Take(bytes));
  }

  void Gap(uint64_t bytes) {
    message_.Data(std::exchange(digits_, std::string()));
    message_.Gap();
    if (state_ == State::kCounted && bytes > 0 && bytes < left_) {
      left_ -= bytes;
      return;
    }
    state_ = State::kLine;
  }

  void End() {
    message_.Data(std::exchange(digits_, std::string()));
    message_.End();
    state_ = State::kBegin;
  }

 private:
  enum class State : uint8_t { kBegin, kLine, kCounted };

  size_t Take(std::string_view bytes) {
    switch (state_) {
      case State::kBegin:
        return TakeBegin(bytes.front());
      case State::kCounted: {
        const std::string_view piece = bytes.substr(0, left_);
        message_.Data(piece);
        left_ -= piece.size();
        if (left_ == 0) EndMessage();
        return piece.size();
      }
      case State::kLine: {
        static constexpr std::string_view kEnds("\n\0", 2);
        const size_t end = bytes.find_first_of(kEnds);
        const size_t taken = end == std::string_view::npos ? bytes.size() : end + 1;
        message_.Data(bytes.substr(0, taken));
        if (end != std::string_view::npos) EndMessage();
        return taken;
      }
    }
    return bytes.size();
  }

  // A length and a space, or the first byte of a line.
  size_t TakeBegin(char c) {
    if (IsDigit(c) && digits_.size() < kLengthDigitsMax && !(digits_.empty() && c == '0')) {
      digits_ += c;
      return 1;
    }
    left_ = 0;
    for (const char digit : digits_) left_ = left_ * 10 + static_cast<uint64_t>(digit - '0');
    const bool is_length = c == ' ' && left_ > 0;
    // Taken as a part of the message: it is text, and may be no length.
    message_.Data(std::exchange(digits_, std::string()));
    state_ = is_length ? State::kCounted : State::kLine;
    if (!is_length) return 0;
    message_.Data(" ");
    return 1;
  }

  void EndMessage() {
    flow_.counters(Protocol::kSyslog).messages.Add();
    message_.End();
    state_ = State::kBegin;
  }

  FlowContext& flow_;
  State state_ = State::kBegin;
  std::string digits_;
  uint64_t left_ = 0;
  TextLinePart message_;
};

class SyslogParser final : public StreamParser {
 public:
  explicit SyslogParser(FlowContext& flow)
      : client_(flow, Sender::kClient), server_(flow, Sender::kServer) {}

  void Begin(Sender sender) override { Of(sender).End(); }
  size_t Data(Sender sender, std::string_view bytes) override {
    Of(sender).Data(bytes);
    return bytes.size();
  }
  bool Gap(Sender sender, uint64_t bytes) override {
    Of(sender).Gap(bytes);
    return true;
  }
  void End(Sender sender) override { Of(sender).End(); }
  std::string_view TakeHeld(Sender /*sender*/) override { return {}; }
  bool follows() const override { return true; }

 private:
  SyslogStream& Of(Sender sender) { return sender == Sender::kClient ? client_ : server_; }

  SyslogStream client_;
  SyslogStream server_;
};

}  // namespace

bool BeginsAsSyslog(std::string_view text) {
  if (!text.starts_with('<')) return false;
  unsigned priority = 0;
  size_t at = 1;
  while (at < text.size() && at < 4 && IsDigit(text[at])) {
    priority = priority * 10 + static_cast<unsigned>(text[at++] - '0');
  }
  if (at == 1 || (text[1] == '0' && at > 2) || priority > kPriorityMax) return false;
  if (at + 1 >= text.size() || text[at] != '>') return false;
  const char next = text[at + 1];
  return IsDigit(next) || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z');
}

std::unique_ptr<StreamParser> CreateSyslogParser(FlowContext& flow) {
  return std::make_unique<SyslogParser>(flow);
}

}  // namespace skimwatch::traffic
