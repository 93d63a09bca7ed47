#include "agent/script/judge/text_diff.h"

#include <git2.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/script/judge/card_redaction.h"
#include "agent/script/judge/shown_text.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::script {
namespace {

// A line longer than this is taken for minified code.
constexpr size_t kLineBytesMax = 200;
// Where a stretch without a statement's end is broken: at the next comma, and without one at all.
constexpr size_t kPieceBytes = 120;
constexpr size_t kPieceBytesMax = 512;

struct PatchDeleter {
  void operator()(git_patch* patch) const { git_patch_free(patch); }
};

// Appends one line, broken up. Where it is broken depends only on the bytes since the last
// statement's end, so that an insertion leaves the pieces after it as they were.
void AppendPieces(std::string_view line, std::string& out) {
  size_t begin = 0;
  for (size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    const size_t size = at + 1 - begin;
    const bool ends_statement = c == ';' || c == '{' || c == '}';
    if (!ends_statement && !(c == ',' && size >= kPieceBytes) && size < kPieceBytesMax) continue;
    // Not inside a character.
    if (at + 1 < line.size() && (static_cast<unsigned char>(line[at + 1]) & 0xC0) == 0x80) continue;
    out.append(line.substr(begin, size));
    out.push_back('\n');
    begin = at + 1;
  }
  if (begin < line.size()) {
    out.append(line.substr(begin));
    out.push_back('\n');
  }
}

std::string BreakLongLines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > kLineBytesMax) {
      AppendPieces(line, out);
    } else {
      out.append(line);
      // Whether a file ends in a line feed is no difference that matters here.
      out.push_back('\n');
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

// Numbers are taken out of the raw bytes first: breaking lines or replacing bytes before could
// split a number into parts that are none.
std::string Prepare(std::string_view text) {
  return BreakLongLines(ShownText(RedactCards(text).text));
}

// Collects the lines of a patch up to a limit.
struct Printer {
  size_t bytes_max = 0;
  TextDiff diff;

  void Add(std::string_view text) {
    if (diff.truncated_bytes > 0 || diff.text.size() + text.size() > bytes_max) {
      diff.truncated_bytes += text.size();
    } else {
      diff.text.append(text);
    }
  }
};

int AddLine(const git_diff_delta* /*delta*/, const git_diff_hunk* /*hunk*/,
            const git_diff_line* line, void* payload) {
  auto& printer = *static_cast<Printer*>(payload);
  const std::string_view content(line->content, line->content_len);
  switch (line->origin) {
    case GIT_DIFF_LINE_CONTEXT:
    case GIT_DIFF_LINE_ADDITION:
    case GIT_DIFF_LINE_DELETION: {
      std::string whole(1, line->origin);
      whole.append(content);
      printer.Add(whole);
      break;
    }
    case GIT_DIFF_LINE_HUNK_HDR:
      printer.Add(content);
      break;
    default:
      break;
  }
  return 0;
}

// Starts libgit2 once. It is never shut down: each start and end costs milliseconds (it sets up
// TLS), and another user in this process may come and go.
bool LibraryIsReady() {
  static const bool ready = git_libgit2_init() > 0;
  return ready;
}

absl::Status GitError(std::string_view doing) {
  const git_error* error = git_error_last();
  return absl::InternalError(absl::StrCat("libgit2 can't ", std::string(doing), ": ",
                                          error == nullptr ? "no reason given" : error->message));
}

TextDiff OneLine(std::string_view name, std::string_view what) {
  TextDiff diff;
  diff.text = absl::StrCat(std::string(name), ": ", std::string(what), "\n");
  return diff;
}

// A name as it may stand in a header: one line without card numbers.
std::string ShownName(std::string_view name) {
  std::string shown = ShownText(RedactCards(name).text);
  for (char& c : shown) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return shown;
}

}  // namespace

absl::StatusOr<TextDiff> DiffTexts(std::string_view name, std::string_view previous,
                                   std::string_view current, size_t bytes_max) {
  const std::string shown_name = ShownName(name);
  if (previous == current) return TextDiff();
  if (previous.size() > kDiffTextBytesMax || current.size() > kDiffTextBytesMax) {
    return OneLine(shown_name, absl::StrCat("not compared, since a version is larger than ",
                                            kDiffTextBytesMax >> 20, " MiB"));
  }
  const std::string before = Prepare(previous);
  const std::string after = Prepare(current);
  if (before == after) {
    return OneLine(shown_name, "differs only in card numbers, line ends or unprintable bytes");
  }

  if (!LibraryIsReady()) return GitError("start");
  git_diff_options options = GIT_DIFF_OPTIONS_INIT;
  options.flags = GIT_DIFF_FORCE_TEXT;
  options.context_lines = 3;
  git_patch* made = nullptr;
  if (git_patch_from_buffers(&made, before.data(), before.size(), nullptr, after.data(),
                             after.size(), nullptr, &options) != 0) {
    return GitError("compare texts");
  }
  const std::unique_ptr<git_patch, PatchDeleter> patch(made);
  Printer printer;
  printer.bytes_max = bytes_max;
  printer.Add(absl::StrCat("--- ", shown_name, " (previous)\n+++ ", shown_name, " (current)\n"));
  if (git_patch_print(patch.get(), AddLine, &printer) != 0) return GitError("print a difference");
  // Numbers that only stand together in the difference, such as over a hunk's header.
  validation::MaskCardNumbers(printer.diff.text);
  return std::move(printer.diff);
}

}  // namespace skimwatch::script
