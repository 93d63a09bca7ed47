#include "collector/ctl/card_input.h"

#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace skimwatch::ctl {
namespace {

constexpr size_t kDigitsMin = 12;

constexpr char kCtrlC = '\x03';
constexpr char kCtrlD = '\x04';
constexpr char kCtrlU = '\x15';
constexpr char kBackspace = '\x08';
constexpr char kDelete = '\x7f';

// Switches a terminal's echo off, and on again in the end. Bytes come one by one, Ctrl-C among
// them: the terminal's driver keeps no line, and nobody's shell is left without echo. Signals from
// elsewhere wait meanwhile.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGHUP}) {
      sigaddset(&signals, signal);
    }
    sigprocmask(SIG_BLOCK, &signals, &signals_before_);
    if (tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    // What was typed ahead was shown, and is thrown away.
    is_set_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (is_set_) tcsetattr(fd_, TCSAFLUSH, &before_);
    // A signal that waited takes effect here.
    sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
  }
  bool is_set() const { return is_set_; }

 private:
  const int fd_;
  sigset_t signals_before_{};
  termios before_{};
  bool is_set_ = false;
};

// Whether one of the signals that wait has come.
bool HasPendingSignal() {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigisemptyset(&pending) == 0;
}

// The next byte; 0 at the end of input. Unbuffered: what a buffer holds would stay in memory.
absl::StatusOr<char> ReadByte(int fd) {
  constexpr int kSignalCheckMs = 200;
  char byte = 0;
  while (true) {
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int events = poll(&ready, 1, kSignalCheckMs);
    if (HasPendingSignal()) return absl::CancelledError("cancelled");
    if (events == 0 || (events < 0 && errno == EINTR)) continue;
    const ssize_t n = read(fd, &byte, 1);
    if (n == 1) return byte;
    if (n == 0) return '\0';
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "cannot read the card number");
  }
}

absl::Status WantsDigits() {
  return absl::InvalidArgumentError(
      absl::StrCat("expected a card number: ", kDigitsMin,
                   " to 19 digits in one line, with blanks or hyphens between them at most"));
}

}  // namespace

CardInput::CardInput() {
  // Best effort: a limit on locked memory is no reason to refuse.
  mlock(digits_.data(), digits_.size());
}

CardInput::~CardInput() {
  OPENSSL_cleanse(digits_.data(), digits_.size());
  munlock(digits_.data(), digits_.size());
}

absl::Status CardInput::Read(int fd) {
  constexpr size_t kBytesMax = 4096;
  const bool is_terminal = isatty(fd) == 1;
  bool line_ended = false;
  bool is_bad = false;
  for (size_t count = 0; count < kBytesMax; ++count) {
    absl::StatusOr<char> byte = ReadByte(fd);
    if (!byte.ok()) return byte.status();
    const char c = *byte;
    OPENSSL_cleanse(&*byte, 1);
    const bool is_end = c == '\0' || (is_terminal && (c == '\n' || c == '\r' || c == kCtrlD));
    if (is_end) return is_bad || size_ < kDigitsMin ? WantsDigits() : absl::OkStatus();
    if (is_terminal && c == kCtrlC) return absl::CancelledError("cancelled");
    if (is_terminal && (c == kBackspace || c == kDelete || c == kCtrlU)) {
      do {
        if (size_ > 0) digits_[--size_] = 0;
      } while (c == kCtrlU && size_ > 0);
      if (size_ == 0) is_bad = false;
    } else if (c == '\n') {
      line_ended = size_ > 0;
    } else if (c >= '0' && c <= '9' && !line_ended && size_ < kDigitsMax) {
      digits_[size_++] = static_cast<uint8_t>(c - '0');
    } else if (c != ' ' && c != '-' && c != '\r' && c != '\t') {
      is_bad = true;
    }
  }
  return WantsDigits();
}

bool CardInput::HasLuhnDigit() const {
  int sum = 0;
  for (size_t i = 0; i < size_; ++i) {
    int digit = digits_[size_ - 1 - i];
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

absl::StatusOr<std::unique_ptr<CardInput>> ReadCard(int fd) {
  auto card = std::make_unique<CardInput>();
  absl::Status status;
  if (isatty(fd) == 1) {
    const NoEcho no_echo(fd);
    if (!no_echo.is_set()) {
      return absl::FailedPreconditionError("cannot switch the terminal's echo off");
    }
    constexpr char kPrompt[] = "Card number (not shown): ";
    [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kPrompt, sizeof kPrompt - 1);
    status = card->Read(fd);
    written = write(STDERR_FILENO, "\n", 1);
  } else {
    status = card->Read(fd);
  }
  if (!status.ok()) return status;
  return card;
}

absl::StatusOr<std::unique_ptr<CardInput>> ParseCard(std::string_view text) {
  auto card = std::make_unique<CardInput>();
  for (const char c : text) {
    if (c == ' ' || c == '-' || c == '\t') continue;
    if (c < '0' || c > '9' || card->size_ == CardInput::kDigitsMax) return WantsDigits();
    card->digits_[card->size_++] = static_cast<uint8_t>(c - '0');
  }
  if (card->size_ < kDigitsMin) return WantsDigits();
  return card;
}

}  // namespace skimwatch::ctl
