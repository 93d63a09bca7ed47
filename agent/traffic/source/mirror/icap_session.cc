#include "agent/traffic/source/mirror/icap_session.h"

#include <string.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/memory/wipe.h"
#include "agent/traffic/source/mirror/chunk_decoder.h"
#include "agent/traffic/source/mirror/http_head.h"
#include "agent/traffic/source/mirror/icap_head.h"

namespace skimwatch::traffic {
namespace {

constexpr size_t kHeadBytesMax = 64u << 10;
constexpr uint64_t kPreviewBytes = 4096;
constexpr uint64_t kPreviewBytesMax = 1u << 20;
// RFC 3507, 4.7: changes when answers could, so that a proxy may keep them until then. Nothing is
// ever modified.
constexpr absl::string_view kServiceTag = "ISTag: \"skimwatch-1\"\r\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Empty lines between requests are let go by, as in HTTP.
bool IsLineBreak(char c) { return c == '\r' || c == '\n'; }

// The body comes in chunks, whatever the head says, or there is none.
std::string_view FramingOf(bool has_body) { return has_body ? "Transfer-Encoding: chunked" : ""; }

// What a response needs of its request: method, path and host. The rest of it is REQMOD's to show,
// and would be seen twice.
std::string RequestInShort(std::string_view head) {
  std::string out;
  for (absl::string_view line : absl::StrSplit(absl::string_view(head.data(), head.size()), '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    if (line.empty()) break;
    if (out.empty()) {
      const size_t query = line.find('?');
      const size_t version = line.rfind(' ');
      absl::StrAppend(&out, line.substr(0, std::min(query, version)),
                      version == absl::string_view::npos ? "" : line.substr(version), "\r\n");
    } else if (absl::StartsWithIgnoreCase(line, "host:")) {
      absl::StrAppend(&out, line, "\r\n");
    }
  }
  return absl::StrCat(out, "\r\n");
}

// Also what the text held before it shrank.
void Wipe(std::string& text) {
  text.resize(text.capacity());
  explicit_bzero(text.data(), text.size());
  text.clear();
}

void AppendChunk(std::string_view data, std::string& out) {
  absl::StrAppend(&out, absl::Hex(data.size()), "\r\n");
  out.append(data);
  out.append("\r\n");
}

class IcapSession final : public serving::Session {
 public:
  IcapSession(CopyQueue& queue, ByteFlow info) : queue_(queue), info_(std::move(info)) {}

  absl::Status Receive(std::string_view bytes, std::string& answer) override {
    while (!bytes.empty() && !done_) {
      absl::StatusOr<size_t> taken =
          state_ == State::kBody ? TakeBody(bytes, answer) : TakeHeads(bytes, answer);
      if (!taken.ok()) {
        absl::StrAppend(&answer, "ICAP/1.0 400 Bad Request\r\n", kServiceTag,
                        "Connection: close\r\nEncapsulated: null-body=0\r\n\r\n");
        Close();
        return taken.status();
      }
      bytes.remove_prefix(*taken);
    }
    return absl::OkStatus();
  }
  bool done() const override { return done_; }
  void Close() override {
    if (flow_.has_value()) queue_.End(*flow_);
    flow_.reset();
    WipeAll();
  }
  uint64_t requests() const override { return requests_; }

 private:
  // What comes next: the ICAP head, the heads that it encapsulates, chunks of the body.
  enum class State : uint8_t { kHead, kEncapsulated, kBody };

  absl::StatusOr<size_t> TakeHeads(std::string_view bytes, std::string& answer) {
    if (state_ == State::kHead) {
      if (pending_.empty() && IsLineBreak(bytes.front())) return 1;
      // Byte by byte over the seam only.
      const size_t before = pending_.size();
      pending_ += bytes.substr(0, kHeadBytesMax + 1 - std::min(before, kHeadBytesMax));
      const size_t end = pending_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
      if (end == std::string::npos) {
        if (pending_.size() > kHeadBytesMax) {
          return absl::InvalidArgumentError("the ICAP head has no end");
        }
        return pending_.size() - before;
      }
      const size_t head_bytes = end + 4;
      memory::WipeFrom(pending_, head_bytes);
      absl::StatusOr<IcapHead> head = ParseIcapHead(pending_);
      if (!head.ok()) return head.status();
      head_ = *std::move(head);
      memory::Wipe(pending_);
      state_ = State::kEncapsulated;
      if (absl::Status s = FinishHeads(answer); !s.ok()) return s;
      return head_bytes - before;
    }
    const size_t wanted = head_.request_head_bytes + head_.response_head_bytes - pending_.size();
    const std::string_view part = bytes.substr(0, wanted);
    pending_ += part;
    if (absl::Status s = FinishHeads(answer); !s.ok()) return s;
    return part.size();
  }

  // Goes on when the encapsulated heads are complete.
  absl::Status FinishHeads(std::string& answer) {
    if (pending_.size() < head_.request_head_bytes + head_.response_head_bytes) {
      return absl::OkStatus();
    }
    switch (head_.method) {
      case IcapMethod::kOptions:
        AnswerOptions(answer);
        if (head_.has_body) return absl::InvalidArgumentError("OPTIONS with a body");
        EndTransaction();
        return absl::OkStatus();
      case IcapMethod::kOther:
        absl::StrAppend(&answer, "ICAP/1.0 405 Method not allowed\r\n", kServiceTag,
                        "Connection: close\r\nEncapsulated: null-body=0\r\n\r\n");
        done_ = true;
        return absl::OkStatus();
      case IcapMethod::kReqmod:
      case IcapMethod::kRespmod:
        break;
    }
    if (head_.preview.value_or(0) > kPreviewBytesMax) {
      return absl::InvalidArgumentError("Preview: larger than any that was offered");
    }
    PassHeads();
    in_preview_ = head_.preview.has_value() && head_.has_body;
    // Without 204 the message must go back; what is in a preview may yet be all of it.
    echoes_ = !head_.allows_204;
    if (!head_.has_body) {
      if (echoes_ && !head_.preview.has_value()) {
        AppendEchoHead(answer);
      } else {
        Answer204(answer);
      }
      EndTransaction();
      return absl::OkStatus();
    }
    if (echoes_ && !in_preview_) AppendEchoHead(answer);
    chunks_ = ChunkDecoder();
    state_ = State::kBody;
    return absl::OkStatus();
  }

  void PassHeads() {
    ByteFlow info = info_;
    if (!head_.client_ip.empty()) info.client = {.ip = head_.client_ip};
    flow_ = queue_.Open(std::move(info));
    const std::string_view heads = pending_;
    const bool of_request = head_.method == IcapMethod::kReqmod;
    if (head_.request_head_bytes > 0) {
      const std::string_view head = heads.substr(0, head_.request_head_bytes);
      queue_.Data(*flow_, /*from_client=*/true,
                  of_request ? WithFraming(head, FramingOf(head_.has_body)) : RequestInShort(head));
    }
    if (head_.response_head_bytes > 0) {
      queue_.Data(*flow_, /*from_client=*/false,
                  WithFraming(heads.substr(head_.request_head_bytes), FramingOf(head_.has_body)));
    }
  }

  absl::StatusOr<size_t> TakeBody(std::string_view bytes, std::string& answer) {
    const bool from_client = head_.method == IcapMethod::kReqmod;
    bool is_preview_too_long = false;
    absl::StatusOr<size_t> taken = chunks_.Take(bytes, [&](std::string_view data) {
      AppendChunk(data, chunk_);
      queue_.Data(*flow_, from_client, chunk_);
      if (echoes_ && !in_preview_) answer += chunk_;
      if (echoes_ && in_preview_) {
        if (preview_.size() + chunk_.size() <= 2 * kPreviewBytesMax) {
          preview_ += chunk_;
        } else {
          is_preview_too_long = true;
        }
      }
      memory::Wipe(chunk_);
    });
    if (!taken.ok()) return taken.status();
    if (is_preview_too_long) return absl::InvalidArgumentError("the preview has no end");
    if (!chunks_.done()) return *taken;
    if (in_preview_ && !chunks_.is_whole()) {
      in_preview_ = false;
      absl::StrAppend(&answer, "ICAP/1.0 100 Continue\r\n\r\n");
      if (echoes_) {
        AppendEchoHead(answer);
        answer += preview_;
        memory::Wipe(preview_);
      }
      chunks_.Resume();
      return *taken;
    }
    queue_.Data(*flow_, from_client, kLastChunk);
    if (echoes_ && !in_preview_) {
      answer += kLastChunk;
    } else {
      // Within a preview 204 is always allowed (RFC 3507, 4.5).
      Answer204(answer);
    }
    EndTransaction();
    return *taken;
  }

  void Answer204(std::string& answer) {
    absl::StrAppend(&answer, "ICAP/1.0 204 No Content\r\n", kServiceTag,
                    "Encapsulated: null-body=0\r\n\r\n");
  }

  // The answer that gives the message back as it came; chunks follow where it has a body.
  void AppendEchoHead(std::string& answer) {
    const bool of_request = head_.method == IcapMethod::kReqmod;
    const std::string_view heads = pending_;
    const std::string_view head =
        of_request ? heads.substr(0, head_.request_head_bytes)
                   : heads.substr(head_.request_head_bytes, head_.response_head_bytes);
    const absl::string_view side = of_request ? "req" : "res";
    absl::StrAppend(&answer, "ICAP/1.0 200 OK\r\n", kServiceTag, "Encapsulated: ");
    if (!head.empty()) absl::StrAppend(&answer, side, "-hdr=0, ");
    absl::StrAppend(&answer, head_.has_body ? side : "null", "-body=", head.size(), "\r\n\r\n");
    answer.append(head);
  }

  // One method a service (RFC 3507, 4.10.2), so the service's name tells which.
  void AnswerOptions(std::string& answer) const {
    const bool of_responses = absl::StrContains(head_.service, "respmod");
    absl::StrAppend(&answer, "ICAP/1.0 200 OK\r\n", kServiceTag,
                    "Methods: ", of_responses ? "RESPMOD" : "REQMOD",
                    "\r\n"
                    "Service: Skimwatch (copies only; nothing is modified)\r\n"
                    "Options-TTL: 3600\r\n"
                    "Allow: 204\r\n"
                    "Preview: ",
                    kPreviewBytes, "\r\nTransfer-Preview: *\r\nEncapsulated: null-body=0\r\n\r\n");
  }

  void EndTransaction() {
    ++requests_;
    Close();
    state_ = State::kHead;
    done_ = head_.closes;
  }

  void WipeAll() {
    for (std::string* text : {&pending_, &chunk_, &preview_}) Wipe(*text);
  }

  CopyQueue& queue_;
  const ByteFlow info_;
  State state_ = State::kHead;
  std::string pending_;
  IcapHead head_;
  std::optional<uint64_t> flow_;
  bool in_preview_ = false;
  bool echoes_ = false;
  ChunkDecoder chunks_;
  std::string chunk_;
  // Chunks of the preview, kept for an answer that must give them back.
  std::string preview_;
  bool done_ = false;
  uint64_t requests_ = 0;
};

}  // namespace

std::unique_ptr<serving::Session> CreateIcapSession(CopyQueue& queue, ByteFlow info) {
  return std::make_unique<IcapSession>(queue, std::move(info));
}

}  // namespace skimwatch::traffic
