#include "agent/script/source/page/devtools.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace skimwatch::script {
namespace {

constexpr size_t kReadBytes = size_t{1} << 18;
constexpr absl::Duration kTurn = absl::Milliseconds(100);
constexpr absl::Duration kWatchEvery = absl::Milliseconds(400);
constexpr size_t kErrorBytesMax = 200;

}  // namespace

DevTools::DevTools(int read_fd, int write_fd, Options options)
    : read_fd_(read_fd),
      write_fd_(write_fd),
      options_(std::move(options)),
      framer_(options_.message_bytes_max) {}

void DevTools::Send(std::string_view method, Json params, const std::string& session,
                    Answer answer) {
  const uint64_t id = next_id_++;
  Json message = {{"id", id}, {"method", method}};
  if (!params.is_null()) message["params"] = std::move(params);
  if (!session.empty()) message["sessionId"] = session;
  if (answer != nullptr) answers_[id] = std::move(answer);
  if (!broken_.ok()) return;
  unsent_.append(WriteJson(message));
  unsent_.push_back('\0');
  if (unsent_.size() - sent_ > options_.unsent_bytes_max) {
    broken_ = absl::ResourceExhaustedError("the browser does not take what it is sent");
    return;
  }
  if (absl::Status status = WriteSome(); !status.ok()) broken_ = std::move(status);
}

absl::StatusOr<Json> DevTools::Call(std::string_view method, Json params,
                                    const std::string& session, absl::Time deadline) {
  struct Answered {
    bool done = false;
    bool ok = false;
    Json result;
  };
  // The answer may come after this gave up.
  auto answered = std::make_shared<Answered>();
  Send(method, std::move(params), session, [answered](const Json& result, bool ok) {
    answered->done = true;
    answered->ok = ok;
    answered->result = result;
  });
  if (absl::Status status = Wait([&] { return answered->done; }, deadline); !status.ok()) {
    return status;
  }
  if (!answered->done) {
    return absl::DeadlineExceededError(
        absl::StrCat("the browser did not answer ", std::string(method), " in time"));
  }
  if (answered->ok) return std::move(answered->result);
  return absl::InternalError(absl::StrCat(
      std::string(method), ": ", TextOf(answered->result, "message").substr(0, kErrorBytesMax)));
}

absl::Status DevTools::Wait(const std::function<bool()>& done, absl::Time until) {
  const auto now = [&] { return options_.now == nullptr ? absl::Now() : options_.now(); };
  while (!done()) {
    if (!broken_.ok()) return broken_;
    const absl::Time at = now();
    if (at >= until) return absl::OkStatus();
    if (options_.watch != nullptr && at - watched_ >= kWatchEvery) {
      watched_ = at;
      if (absl::Status status = options_.watch(); !status.ok()) return broken_ = status;
    }
    if (absl::Status status = Turn(std::min(kTurn, until - at)); !status.ok()) {
      return broken_ = status;
    }
  }
  return absl::OkStatus();
}

absl::Status DevTools::Turn(absl::Duration timeout) {
  std::array<pollfd, 2> waited = {{{.fd = read_fd_, .events = POLLIN, .revents = 0},
                                   {.fd = write_fd_, .events = POLLOUT, .revents = 0}}};
  const nfds_t count = sent_ < unsent_.size() ? 2 : 1;
  const auto milliseconds = static_cast<int>(
      std::max<int64_t>(1, absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1)))));
  if (poll(waited.data(), count, milliseconds) < 0) {
    return errno == EINTR ? absl::OkStatus() : absl::ErrnoToStatus(errno, "poll");
  }
  if (count == 2 && waited[1].revents != 0) {
    if (absl::Status status = WriteSome(); !status.ok()) return status;
  }
  return waited[0].revents != 0 ? ReadSome() : absl::OkStatus();
}

absl::Status DevTools::ReadSome() {
  std::vector<char> buffer(kReadBytes);
  const ssize_t got = read(read_fd_, buffer.data(), buffer.size());
  if (got < 0) {
    if (errno == EINTR || errno == EAGAIN) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, "can't read what the browser says");
  }
  if (got == 0) return absl::UnavailableError("the browser ended");
  bytes_ += static_cast<uint64_t>(got);
  if (!framer_.Add({buffer.data(), static_cast<size_t>(got)})) {
    return absl::ResourceExhaustedError(absl::StrCat("the browser sent a message of more than ",
                                                     options_.message_bytes_max, " bytes"));
  }
  while (const std::optional<std::string_view> message = framer_.Next()) Handle(*message);
  return absl::OkStatus();
}

absl::Status DevTools::WriteSome() {
  while (sent_ < unsent_.size()) {
    const ssize_t put = write(write_fd_, unsent_.data() + sent_, unsent_.size() - sent_);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return absl::OkStatus();
      return absl::UnavailableError("the browser ended");
    }
    sent_ += static_cast<size_t>(put);
  }
  unsent_.clear();
  sent_ = 0;
  return absl::OkStatus();
}

void DevTools::Handle(std::string_view message) {
  ++messages_;
  const Json json = ParseJson(message);
  if (!json.is_object()) {
    ++malformed_;
    // Whoever waits for it shall not wait on.
    constexpr std::string_view kBegin = "{\"id\":";
    uint64_t id = 0;
    if (message.starts_with(kBegin)) {
      std::from_chars(message.data() + kBegin.size(), message.data() + message.size(), id);
    }
    if (const auto waiting = answers_.find(id); waiting != answers_.end()) {
      const Answer answer = std::move(waiting->second);
      answers_.erase(waiting);
      answer(Json::object(), false);
    }
    return;
  }
  if (json.contains("id")) {
    const auto waiting = answers_.find(NumberOf(json, "id"));
    if (waiting == answers_.end()) return;
    const Answer answer = std::move(waiting->second);
    answers_.erase(waiting);
    const bool ok = !json.contains("error");
    answer(MemberOf(json, ok ? "result" : "error"), ok);
    return;
  }
  const std::string& method = TextOf(json, "method");
  if (method.empty()) {
    ++malformed_;
    return;
  }
  if (on_event != nullptr) on_event(TextOf(json, "sessionId"), method, MemberOf(json, "params"));
}

}  // namespace skimwatch::script
