#include "agent/offline/file_scanner.h"

#include <unistd.h>

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/offline/content_type.h"
#include "agent/traffic/source/pcap_file.h"

namespace skimwatch::offline {
namespace {

// Enough for every mark that content is told by where a file can be read twice, and the least that
// is waited for.
constexpr size_t kMarkBytes = 4;

// Passes the matches of a file's content on.
class ContentSink final : public card::MatchSink {
 public:
  ContentSink(const ScanServices& services, const FilePlace& file)
      : services_(services), file_(file) {}

  void OnMatch(const card::CardMatch& match) override {
    if (!place_.has_value()) place_ = file_.Shown();
    services_.Found(*place_, match.offset, match);
  }

 private:
  const ScanServices& services_;
  const FilePlace& file_;
  std::optional<Place> place_;
};

}  // namespace

FileScanner::FileScanner(const ScanServices& services)
    : services_(services), stream_(services.CardOptions(), services.brands), captures_(services) {}

void FileScanner::Scan(const FoundFile& file) {
  services_.report.OnFile();
  bool nothing_unpacked = false;
  absl::Status status = ScanOnce(file, /*unpack=*/true, nothing_unpacked);
  if (absl::IsDataLoss(status) && nothing_unpacked && file.seekable &&
      lseek(file.fd.get(), 0, SEEK_SET) == 0) {
    // It only begins as compressed data does, or is so damaged that this is all there is to see.
    if (WithoutCompressionSuffix(file.path) != file.path) Report(file, status);
    status = ScanOnce(file, /*unpack=*/false, nothing_unpacked);
  }
  if (!status.ok()) Report(file, status);
}

absl::Status FileScanner::ScanOnce(const FoundFile& file, bool unpack, bool& nothing_unpacked) {
  FileStream raw(file.fd.get(), services_.cancellation, services_.report.bytes_read());
  FilePlace place{.path = file.path};
  std::string_view name = file.path;
  std::vector<std::unique_ptr<ByteStream>> layers;
  ByteStream* stream = &raw;
  std::string_view mark;
  while (true) {
    const absl::StatusOr<std::string_view> peeked = stream->Peek(kMarkBytes);
    nothing_unpacked = !peeked.ok();
    if (!peeked.ok()) return peeked.status();
    mark = *peeked;
    const std::optional<Compression> compression =
        unpack ? DetectCompression(mark, name) : std::nullopt;
    if (!compression.has_value()) break;
    if (layers.size() == kContainersMax) {
      services_.report.OnSkip(
          file.path, SkipReason::kCompressedTooDeep,
          absl::StrCat("compressed more than ", kContainersMax,
                       " times; the rest is not unpacked: unpack it and scan that"));
      break;
    }
    layers.push_back(
        Decompress(*compression, *stream, raw, {.ratio_max = services_.options.expansion_max}));
    stream = layers.back().get();
    place.container.push_back(CompressionName(*compression));
    name = WithoutCompressionSuffix(name);
  }
  if (mark.empty() && file.named_pipe) {
    return absl::UnavailableError("nobody writes to this named pipe");
  }
  if (traffic::PcapFile::LooksLikeCapture(mark)) {
    raw.OnSilence([this] { captures_.Settle(); });
    return captures_.Scan(*stream, place);
  }
  if (const std::string_view format = OpaqueFormat(mark); !format.empty()) {
    services_.report.OnOpaqueFile(format);
  }
  return ScanContent(*stream, raw, name, place);
}

absl::Status FileScanner::ScanContent(ByteStream& stream, FileStream& raw, std::string_view name,
                                      const FilePlace& place) {
  ContentSink sink(services_, place);
  raw.OnSilence([this, &sink] { stream_.Settle(sink); });
  const std::string_view content_type = ContentTypeOfName(name);
  stream_.Begin({.location = name == "-" ? std::string_view() : name,
                 .content_type = content_type,
                 .is_script = IsScriptType(content_type)});
  absl::Status status;
  while (true) {
    const absl::StatusOr<std::string_view> bytes = stream.Next();
    if (!bytes.ok()) status = bytes.status();
    if (!bytes.ok() || bytes->empty()) break;
    stream_.Feed(*bytes, sink);
    services_.report.OnScanned(bytes->size());
  }
  stream_.Finish(sink);
  services_.report.OnNotDecoded(stream_.bytes_not_decoded() - not_decoded_);
  not_decoded_ = stream_.bytes_not_decoded();
  return status;
}

void FileScanner::Report(const FoundFile& file, const absl::Status& status) {
  if (absl::IsCancelled(status)) return;
  const SkipReason reason = absl::IsDataLoss(status)            ? SkipReason::kDamaged
                            : absl::IsResourceExhausted(status) ? SkipReason::kDecompressionLimit
                                                                : SkipReason::kUnreadable;
  services_.report.OnSkip(file.path, reason, {status.message().data(), status.message().size()});
}

}  // namespace skimwatch::offline
