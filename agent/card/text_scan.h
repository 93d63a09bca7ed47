#ifndef SKIMWATCH_AGENT_CARD_TEXT_SCAN_H_
#define SKIMWATCH_AGENT_CARD_TEXT_SCAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/card/byte_classes.h"
#include "agent/card/card_match.h"
#include "agent/card/decoded_text.h"
#include "agent/card/decoders.h"
#include "agent/card/emv_field.h"
#include "agent/card/evidence.h"
#include "agent/card/first_pass.h"
#include "agent/card/loose_groups.h"
#include "agent/card/number_filter.h"
#include "agent/card/number_finder.h"
#include "agent/card/split_fields.h"

namespace skimwatch::card {

// Finds the numbers of one window of bytes, plain and encoded.
//
// The first pass (byte_classes.h) leads to three kinds of place: chains of digits, which the number
// finder reads; runs in the alphabets of base64 and hex; and escapes. What is encoded is decoded
// into a piece of text of its own, which is searched the same way one level deeper. A match is
// followed back through the levels to the bytes of the window.
//
// Work a byte is bounded: every run is decoded a fixed number of times, and in all at most
// kDecodedPerByteMax bytes are decoded for each byte of the window. Thread-compatible.
class TextScan {
 public:
  // `brands` must outlive the scan. `decode_depth` is 0 to 4.
  TextScan(int decode_depth, const BrandTable& brands);

  // A part of a stream.
  struct Window {
    std::string_view bytes;
    // Where matches begin that are asked for. What is before and after is context.
    size_t begin = 0;
    size_t end = 0;
    // The stream begins, or ends, with the window.
    bool is_first = false;
    bool is_last = false;
    // Offset of the window's first byte in the stream.
    uint64_t offset = 0;
  };

  // Adds what is found to `matches`, in no order and with numbers found twice where they can be
  // decoded in two ways (match_list.h).
  void Scan(const Window& window, const StreamFacts& facts, std::vector<CardMatch>& matches);

  // Overwrites all that was decoded.
  void Wipe();

  // Bytes that were left undecoded because a window asked for too much of it.
  uint64_t bytes_not_decoded() const { return bytes_not_decoded_; }

  static constexpr uint64_t kDecodedPerByteMax = 8;

  // Bytes [begin, end) of a text that are of one alphabet.
  struct Run {
    size_t begin = 0;
    size_t end = 0;
  };

 private:
  static constexpr size_t kLevelsMax = 6;

  // A text that is being searched: the window, or what was decoded from the level above.
  struct Level {
    std::string_view text;
    // Null for the window.
    const Level* parent = nullptr;
    const DecodedText* decoded = nullptr;
    Form form = Form::kBase64;
    // Matches that begin in [begin, end) are of this piece; others are found in another piece.
    size_t begin = 0;
    size_t end = 0;
    bool is_first = false;
    bool is_last = false;
    // What was decoded goes on before, behind; no other piece of it is searched.
    bool is_torn_before = false;
    bool is_torn_behind = false;
    // Index of the level, and how many encodings may still be undone below.
    size_t index = 0;
    int depth_left = 0;
    bool within_utf16 = false;
  };

  // How far each kind of thing in a level has been dealt with.
  struct Progress {
    size_t digits = 0;
    size_t base64_runs = 0;
    // By where groups begin.
    std::array<size_t, 4> base64_text{};
    // The run that was looked at last.
    Run base64_run;
    size_t hex = 0;
    size_t lines = 0;
    size_t utf16 = 0;
    size_t pairs = 0;
    size_t pairs_seen = 0;
    size_t escapes = 0;
    SplitFields::Previous value;
    QuietText quiet;
  };

  void ScanLevel(const Level& level);
  void ScanDigitsAndEscapes(const Level& level, const Places& places, size_t index,
                            Progress& progress);
  void ScanBreaks(const Level& level, uint64_t places, size_t block, Progress& progress);
  void ScanEscape(const Level& level, size_t at, Progress& progress);
  void ScanBase64(const Level& level, const Places& places, size_t index, Progress& progress);
  // `alphabet` are all bytes of the block that are of hex.
  void ScanHexRuns(const Level& level, uint64_t places, uint64_t alphabet, size_t block,
                   Progress& progress);
  void ScanPairs(const Level& level, uint64_t places, size_t block, Progress& progress);
  void ScanUtf16(const Level& level, uint64_t places, size_t block, Progress& progress);

  // The run in the alphabet of base64 around `at`, which is in block `index` of the batch, or
  // before the batch.
  static Run Base64RunAt(const Level& level, size_t at, const Places& places, size_t index,
                         Progress& progress);
  // Whether nothing in or beside a run was escaped, so that it was decoded where the escapes were
  // not undone yet.
  static bool WasSeenEscaped(const Level& level, const Run& run);
  // Whether a run begins, or ends, where it seems to, and does not go on beyond a cut.
  static bool BeginsHere(const Level& level, const Run& run);
  static bool EndsHere(const Level& level, size_t end);
  void ScanBase64Run(const Level& level, const Run& run, size_t text_done);
  void ScanBase64Lines(const Level& level, const Run& run, Progress& progress);
  // Decodes the text that the group at `group` and those before it show, if they do. Returns where
  // it ends, `done` when there is none; what is before `done` has been decoded.
  size_t ScanBase64Groups(const Level& level, const Run& run, size_t group, size_t done);
  // Decodes what shows as text from `first` on, in a run of [begin, end); it goes on to `last` at
  // least. Returns where it ends.
  size_t ScanBase64Text(const Level& level, size_t begin, size_t first, size_t last, size_t end);
  // Where the base64 that fills lines from `begin` on ends; `end` when there is one line only.
  static size_t EndOfLines(std::string_view text, size_t begin, size_t end);

  static constexpr Run kAll = {.begin = 0, .end = std::string_view::npos};

  // Decodes `run` of a level piece by piece and searches each for numbers that begin in `core`.
  // `is_first`, `is_last`: no more of what is encoded stands before, after the run.
  void ScanEncoded(const Level& level, Form form, const Run& run, bool is_first, bool is_last,
                   const Run& core = kAll);
  // Numbers that are no chain of digits: in several fields, and as chips write them.
  void ScanFields(const Level& level, const Places& places, size_t index, Progress& progress);
  void ScanChain(const Level& level, size_t at, Progress& progress);
  void Report(const Level& level, const Candidate& candidate, QuietText& quiet);

  const int decode_depth_;
  const NumberFinder finder_;
  const EmvFieldFinder emv_finder_;
  const SplitFields split_fields_;
  const LooseGroups loose_groups_;
  const NumberFilter filter_;
  // Of the levels below the window.
  std::array<std::unique_ptr<DecodedText>, kLevelsMax> decoded_;

  // Of the scan under way.
  const StreamFacts* facts_ = nullptr;
  std::vector<CardMatch>* matches_ = nullptr;
  uint64_t offset_ = 0;
  uint64_t decode_budget_ = 0;
  uint64_t bytes_not_decoded_ = 0;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_TEXT_SCAN_H_
