#include "collector/ctl/card_list.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/validation/card_digits.h"

namespace skimwatch::ctl {
namespace {

// What a line may hold: a fingerprint, or a number with blanks around it.
constexpr size_t kLineBytesMax = 256;
constexpr size_t kFingerprintDigits = 64;

// Of a line that is wiped when it goes.
struct Line {
  std::array<char, kLineBytesMax> bytes{};
  size_t size = 0;
  bool is_too_long = false;

  ~Line() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  void Add(char c) {
    if (size == bytes.size()) {
      is_too_long = true;
    } else {
      bytes[size++] = c;
    }
  }
  std::string_view text() const {
    const absl::string_view stripped =
        absl::StripAsciiWhitespace(absl::string_view(bytes.data(), size));
    return {stripped.data(), stripped.size()};
  }
};

bool IsFingerprint(std::string_view text) {
  return text.size() == kFingerprintDigits &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<CardList>> CardList::Open(const std::string& path) {
  if (path == "-" && isatty(STDIN_FILENO) != 0) {
    return absl::InvalidArgumentError(
        "--file: - is a terminal, which would show what is typed; leave --file out to be asked for "
        "a card, or give it a file");
  }
  const int fd = path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    // Who mistakes it for the option that takes a number gives it one, and errors are kept.
    const bool holds_card = ParseCard(path).ok() || !validation::FindCardNumber(path).empty();
    return absl::ErrnoToStatus(
        errno, holds_card ? "--file: can't be opened; it takes the name of a file, no card number"
                          : absl::StrCat("--file: can't open ", path));
  }
  return std::unique_ptr<CardList>(new CardList(fd));
}

CardList::~CardList() {
  OPENSSL_cleanse(buffer_.data(), buffer_.size());
  close(fd_);
}

absl::StatusOr<CardList::Entry> CardList::Next() {
  while (true) {
    Line line;
    bool is_end = false;
    while (true) {
      if (begin_ == end_) {
        const ssize_t n = read(fd_, buffer_.data(), buffer_.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return absl::ErrnoToStatus(errno, "--file: can't be read");
        begin_ = 0;
        end_ = static_cast<size_t>(n);
        is_end = n == 0;
        if (is_end) break;
      }
      const char c = buffer_[begin_++];
      if (c == '\n') break;
      line.Add(c);
    }
    if (is_end && line.size == 0) return absl::OutOfRangeError("end of the list");
    ++line_;
    const std::string_view text = line.text();
    if (text.empty() && !line.is_too_long) continue;
    Entry entry{.line = line_};
    if (!line.is_too_long && IsFingerprint(text)) {
      entry.fingerprint = absl::HexStringToBytes(absl::string_view(text.data(), text.size()));
      return entry;
    }
    absl::StatusOr<std::unique_ptr<CardInput>> card = ParseCard(text);
    if (line.is_too_long || !card.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", line_,
                       ": neither a card number of 12 to 19 digits nor a fingerprint of 64 hex "
                       "digits"));
    }
    entry.card = *std::move(card);
    return entry;
  }
}

}  // namespace skimwatch::ctl
