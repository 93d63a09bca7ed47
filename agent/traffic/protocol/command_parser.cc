#include "agent/traffic/protocol/command_parser.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "agent/traffic/protocol/http_body.h"
#include "agent/traffic/protocol/text_line_part.h"

namespace skimwatch::traffic {
namespace {

constexpr std::string_view kMailType = "message/rfc822";
constexpr int kSmtpReady = 220;
constexpr int kSmtpStartMail = 354;
constexpr int kFtpSecurityDone = 234;
constexpr int kRefusedMin = 400;

// What the two directions know of each other.
struct Exchange {
  // The client has asked for TLS, and the server has agreed.
  bool asks_for_tls = false;
  bool is_tls = false;
  // The last reply to come since DATA refuses something.
  bool data_refused = false;
};

absl::string_view FirstWord(std::string_view line) {
  return {line.data(), std::min(line.find_first_of(" \t\r\n"), line.size())};
}

bool IsWord(std::string_view line, absl::string_view word) {
  return absl::EqualsIgnoreCase(FirstWord(line), word);
}

class CommandParser : public StreamParser {
 public:
  CommandParser(FlowContext& flow, Protocol protocol)
      : flow_(flow),
        protocol_(protocol),
        command_(flow, Sender::kClient, Part::kCommand),
        reply_(flow, Sender::kServer, Part::kCommand) {}

  void Begin(Sender sender) override { LineOf(sender).End(); }

  size_t Data(Sender sender, std::string_view bytes) override {
    const size_t all = bytes.size();
    while (!bytes.empty() && !exchange_.is_tls) {
      bytes.remove_prefix(sender == Sender::kClient ? TakeFromClient(bytes)
                                                    : TakeLine(sender, bytes));
    }
    if (exchange_.is_tls) End(sender);
    return all - bytes.size();
  }

  bool Gap(Sender sender, uint64_t /*bytes*/) override {
    LineOf(sender).Gap();
    return true;
  }

  void End(Sender sender) override { LineOf(sender).End(); }
  std::string_view TakeHeld(Sender /*sender*/) override { return {}; }
  bool follows() const override { return !exchange_.is_tls; }

 protected:
  // Takes at least one byte.
  virtual size_t TakeFromClient(std::string_view bytes) = 0;
  virtual void OnCommand(std::string_view line) = 0;
  virtual void OnReply(int code) = 0;

  size_t TakeLine(Sender sender, std::string_view bytes) {
    TextLinePart& line = LineOf(sender);
    const size_t feed = bytes.find('\n');
    const size_t taken = feed == std::string_view::npos ? bytes.size() : feed + 1;
    line.Data(bytes.substr(0, taken));
    if (feed == std::string_view::npos) return taken;
    flow_.counters(protocol_).messages.Add();
    // A copy, for what comes of it may begin a line.
    const std::string noted(line.noted());
    line.End();
    if (sender == Sender::kClient) {
      OnCommand(noted);
      return taken;
    }
    int code = 0;
    constexpr size_t kCodeDigits = 3;
    const bool is_last = noted.size() > kCodeDigits && noted[kCodeDigits] != '-';
    if (is_last && absl::SimpleAtoi(absl::string_view(noted).substr(0, kCodeDigits), &code)) {
      OnReply(code);
    }
    return taken;
  }

  FlowContext& flow() { return flow_; }
  Exchange& exchange() { return exchange_; }

 private:
  TextLinePart& LineOf(Sender sender) { return sender == Sender::kClient ? command_ : reply_; }

  FlowContext& flow_;
  const Protocol protocol_;
  Exchange exchange_;
  TextLinePart command_;
  TextLinePart reply_;
};

class SmtpParser final : public CommandParser {
 public:
  explicit SmtpParser(FlowContext& flow)
      : CommandParser(flow, Protocol::kSmtp), mail_(flow, Sender::kClient) {}

  void Begin(Sender sender) override {
    CommandParser::Begin(sender);
    if (sender == Sender::kClient) state_ = State::kCommand;
  }

  bool Gap(Sender sender, uint64_t bytes) override {
    if (sender == Sender::kServer || state_ == State::kCommand || state_ == State::kAsked) {
      return CommandParser::Gap(sender, bytes);
    }
    mail_.Gap();
    at_line_begin_ = false;
    dot_bytes_ = 0;
    if (state_ != State::kChunk) return true;
    if (bytes > 0 && bytes <= left_) {
      left_ -= bytes;
    } else {
      left_ = 0;
    }
    if (left_ == 0) EndChunk();
    return true;
  }

  void End(Sender sender) override {
    CommandParser::End(sender);
    if (sender == Sender::kServer) return;
    mail_.End();
    flow().Count(flow().ReasonOf(Sender::kClient), std::exchange(dot_bytes_, 0));
  }

 private:
  enum class State : uint8_t {
    kCommand,
    // DATA was sent.
    kAsked,
    kMail,
    kChunk,
  };

  size_t TakeFromClient(std::string_view bytes) override {
    switch (state_) {
      case State::kCommand:
        return TakeLine(Sender::kClient, bytes);
      case State::kAsked:
        state_ = State::kCommand;
        if (exchange().data_refused) return TakeLine(Sender::kClient, bytes);
        BeginMail();
        state_ = State::kMail;
        at_line_begin_ = true;
        return TakeMail(bytes);
      case State::kMail:
        return TakeMail(bytes);
      case State::kChunk: {
        const std::string_view piece = bytes.substr(0, left_);
        mail_.Data(piece);
        left_ -= piece.size();
        if (left_ == 0) EndChunk();
        return piece.size();
      }
    }
    return bytes.size();
  }

  void BeginMail() {
    PartConsumer* consumer = nullptr;
    if (flow().Scans(Sender::kClient)) {
      Provenance provenance;
      flow().Fill(Sender::kClient, std::string_view(), provenance);
      provenance.content_type = kMailType;
      consumer = flow().decoder.sink.BeginPart(provenance, Part::kRequestBody);
    }
    mail_.Begin(consumer, std::string_view(), std::string_view());
  }

  // RFC 5321 4.5.2: a dot that begins a line is no part of it, and one alone ends the mail.
  size_t TakeMail(std::string_view bytes) {
    if (dot_bytes_ > 0) return TakeAfterDot(bytes.front());
    if (at_line_begin_ && bytes.front() == '.') {
      dot_bytes_ = 1;
      return 1;
    }
    const size_t feed = bytes.find('\n');
    const size_t taken = feed == std::string_view::npos ? bytes.size() : feed + 1;
    mail_.Data(bytes.substr(0, taken));
    at_line_begin_ = feed != std::string_view::npos;
    return taken;
  }

  // `.` or `.CR` stands at the beginning of the line.
  size_t TakeAfterDot(char next) {
    if (next == '\r' && dot_bytes_ == 1) {
      dot_bytes_ = 2;
      return 1;
    }
    const bool had_return = dot_bytes_ == 2;
    const bool is_end = next == '\n';
    // The dot, and the line's end where it ends the mail.
    flow().Count(flow().ReasonOf(Sender::kClient), is_end ? dot_bytes_ + 1 : 1);
    dot_bytes_ = 0;
    at_line_begin_ = false;
    if (is_end) {
      mail_.End();
      state_ = State::kCommand;
      return 1;
    }
    if (had_return) mail_.Data("\r");
    return 0;
  }

  void EndChunk() {
    state_ = State::kCommand;
    if (last_chunk_) mail_.End();
  }

  void OnCommand(std::string_view line) override {
    if (IsWord(line, "DATA")) {
      state_ = State::kAsked;
      exchange().data_refused = false;
    } else if (IsWord(line, "STARTTLS")) {
      exchange().asks_for_tls = true;
    } else if (IsWord(line, "BDAT")) {
      BeginChunk(line);
    }
  }

  void BeginChunk(std::string_view line) {
    const absl::string_view arguments =
        absl::StripAsciiWhitespace(absl::string_view(line.data(), line.size()).substr(4));
    const std::string_view view(arguments.data(), arguments.size());
    const absl::string_view size = FirstWord(view);
    if (!absl::SimpleAtoi(size, &left_)) {
      left_ = 0;
      return;
    }
    last_chunk_ = absl::EndsWithIgnoreCase(arguments, "LAST");
    if (!mail_.open()) BeginMail();
    state_ = State::kChunk;
    if (left_ == 0) EndChunk();
  }

  void OnReply(int code) override {
    if (code == kSmtpStartMail) exchange().data_refused = false;
    if (code >= kRefusedMin) exchange().data_refused = true;
    if (!exchange().asks_for_tls) return;
    exchange().is_tls = code == kSmtpReady;
    if (code >= kRefusedMin) exchange().asks_for_tls = false;
  }

  State state_ = State::kCommand;
  bool at_line_begin_ = false;
  // Of a line that may end the mail; not counted.
  size_t dot_bytes_ = 0;
  uint64_t left_ = 0;
  bool last_chunk_ = false;
  HttpBody mail_;
};

class FtpParser final : public CommandParser {
 public:
  explicit FtpParser(FlowContext& flow) : CommandParser(flow, Protocol::kFtp) {}

 private:
  size_t TakeFromClient(std::string_view bytes) override {
    return TakeLine(Sender::kClient, bytes);
  }
  void OnCommand(std::string_view line) override {
    if (IsWord(line, "AUTH")) exchange().asks_for_tls = true;
  }
  void OnReply(int code) override {
    if (exchange().asks_for_tls) exchange().is_tls = code == kFtpSecurityDone;
    if (code >= kRefusedMin) exchange().asks_for_tls = false;
  }
};

}  // namespace

std::unique_ptr<StreamParser> CreateSmtpParser(FlowContext& flow) {
  return std::make_unique<SmtpParser>(flow);
}

std::unique_ptr<StreamParser> CreateFtpParser(FlowContext& flow) {
  return std::make_unique<FtpParser>(flow);
}

}  // namespace skimwatch::traffic
