#include "agent/offline/file_scanner.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/offline/buffered_stream.h"
#include "agent/offline/content_type.h"
#include "agent/traffic/source/pcap_file.h"

namespace skimwatch::offline {
namespace {

// The least that is waited for of a pipe. What comes with it counts, too: who writes a tar into one
// writes blocks.
constexpr size_t kMarkBytes = 4;
// A block of tar, the longest mark there is.
constexpr size_t kLongMarkBytes = 512;

// Passes the matches of a file's content on.
class ContentSink final : public card::MatchSink {
 public:
  ContentSink(Findings::OfFile& findings, const FilePlace& file, TextLines* lines)
      : findings_(findings), file_(file), lines_(lines) {}

  void OnMatch(const card::CardMatch& match) override {
    if (!place_.has_value()) place_ = file_.Shown();
    std::optional<TextPosition> begin;
    std::optional<TextPosition> end;
    if (lines_ != nullptr) {
      begin = lines_->At(match.offset);
      end = lines_->At(match.offset + match.length);
    }
    findings_.Found(*place_, match.offset, match, begin, end);
  }

 private:
  Findings::OfFile& findings_;
  const FilePlace& file_;
  TextLines* const lines_;
  std::optional<Place> place_;
};

}  // namespace

FileScanner::FileScanner(const ScanServices& services)
    : services_(services),
      stream_(services.CardOptions(), services.brands),
      captures_(services),
      file_(services.cancellation, services.report.bytes_read()) {
  if (services.options.format != Format::kTable) lines_ = std::make_unique<TextLines>();
}

void FileScanner::Scan(const FoundFile& file) {
  services_.report.OnFile();
  file_.Begin(file.fd.get(), file.seekable, file.bytes);
  budget_.emplace(file_, ExpansionLimit{.ratio_max = services_.options.expansion_max});
  findings_.emplace(services_.findings, file.number);
  is_named_pipe_ = file.named_pipe;
  ScanAll({.stream = file_, .place = {.path = file.path}, .name = file.path});
  findings_.reset();
  file_.End();
}

void FileScanner::ScanAll(const Content& content) {
  bool nothing_unpacked = false;
  absl::Status status = ScanOnce(content, /*unpack=*/true, nothing_unpacked);
  if (nothing_unpacked && !absl::IsCancelled(status) && content.stream.seekable() &&
      content.stream.Seek(0).ok()) {
    // It only begins as packed data does, is an archive of nothing, or is so damaged that this is
    // all there is to see.
    const bool is_promised = WithoutCompressionSuffix(content.name) != content.name;
    if (!status.ok() && (!absl::IsDataLoss(status) || is_promised)) Report(content.place, status);
    status = ScanOnce(content, /*unpack=*/false, nothing_unpacked);
  }
  if (!status.ok()) Report(content.place, status);
}

absl::Status FileScanner::ScanOnce(const Content& outer, bool unpack, bool& nothing_unpacked) {
  Content content = outer;
  std::vector<std::unique_ptr<ByteStream>> layers;
  ByteStream* stream = &content.stream;
  std::string_view mark;
  // Only what is read again, or from something that is, comes without being waited for.
  const size_t mark_bytes = file_.seekable() ? kLongMarkBytes : kMarkBytes;
  while (true) {
    const absl::StatusOr<std::string_view> peeked = stream->Peek(mark_bytes);
    nothing_unpacked = !peeked.ok();
    if (!peeked.ok()) return peeked.status();
    mark = *peeked;
    const std::optional<Compression> compression =
        unpack ? DetectCompression(mark, content.name) : std::nullopt;
    if (!compression.has_value()) break;
    if (layers.size() == kContainersMax) {
      services_.report.OnSkip(
          content.place.Full(), SkipReason::kCompressedTooDeep,
          absl::StrCat("compressed more than ", kContainersMax,
                       " times; the rest is not unpacked: unpack it and scan that"));
      break;
    }
    layers.push_back(Decompress(*compression, *stream, *budget_, content.level++));
    stream = layers.back().get();
    content.place.container.push_back(CompressionName(*compression));
    content.name = WithoutCompressionSuffix(content.name);
  }
  if (mark.empty() && is_named_pipe_ && outer.level == 0) {
    return absl::UnavailableError("nobody writes to this named pipe");
  }
  Content inner{.stream = *stream,
                .place = std::move(content.place),
                .name = content.name,
                .level = content.level,
                .archives = content.archives};
  if (traffic::PcapFile::LooksLikeCapture(mark)) {
    file_.OnSilence([this] { captures_.Settle(); });
    return captures_.Scan(inner.stream, inner.place, *findings_);
  }
  if (const auto archive = unpack ? DetectArchive(mark) : std::nullopt; archive.has_value()) {
    if (inner.archives < services_.options.archive_depth) {
      return ScanArchive(*archive, inner, nothing_unpacked);
    }
    if (services_.options.archive_depth == 0) {
      services_.report.OnOpaqueFile(ArchiveFormatName(*archive));
    } else {
      services_.report.OnSkip(inner.place.Full(), SkipReason::kCompressedTooDeep,
                              absl::StrCat("is an archive in more than ", inner.archives,
                                           " others; it is not unpacked: raise --archive-depth"));
    }
  } else if (const std::string_view format = OpaqueFormat(mark); !format.empty()) {
    services_.report.OnOpaqueFile(format);
  }
  return ScanBytes(inner);
}

absl::Status FileScanner::ScanArchive(ArchiveFormat format, Content& content,
                                      bool& nothing_unpacked) {
  content.place.container.push_back(ArchiveFormatName(format));
  const bool has_list = format == ArchiveFormat::kZip || format == ArchiveFormat::kSevenZip;
  if (!has_list || content.stream.seekable()) {
    return ScanMembers(format, content.stream, content, nothing_unpacked);
  }
  BufferedStream buffered(content.stream);
  const absl::Status read = buffered.ReadAhead(kInnerArchiveBytesMax);
  if (absl::IsCancelled(read)) return read;
  if (NeedsSeek(format) && !buffered.seekable()) {
    if (!read.ok()) return read;
    return absl::ResourceExhaustedError(
        absl::StrCat("is a ", std::string(ArchiveFormatName(format)), " of more than ",
                     kInnerArchiveBytesMax >> 20,
                     " MiB that can be read once only; it is not unpacked: scan it by itself"));
  }
  return ScanMembers(format, buffered, content, nothing_unpacked);
}

absl::Status FileScanner::ScanMembers(ArchiveFormat format, ByteStream& stream,
                                      const Content& content, bool& nothing_unpacked) {
  ArchiveReader reader(format, stream, *budget_, content.level);
  nothing_unpacked = true;
  absl::Status status;
  while (!reader.ended()) {
    auto entry = reader.Next();
    if (!entry.ok()) {
      // The last error stands for the archive; those before are told at once.
      if (!status.ok()) Report(content.place, status);
      status = entry.status();
      if (absl::IsCancelled(status)) break;
      continue;
    }
    if (!entry->has_value()) break;
    nothing_unpacked = false;
    if (services_.cancellation.cancelled()) return absl::CancelledError("the scan was stopped");
    const ArchiveReader::Entry& member = **entry;
    FilePlace place = content.place;
    absl::StrAppend(&place.inner, place.inner.empty() ? "" : "!", member.name);
    if (services_.exclude.Check(member.name, /*is_folder=*/false) ==
        IgnoreRules::Verdict::kIgnored) {
      services_.report.OnSkip(place.Full(), SkipReason::kExcluded, "");
      continue;
    }
    if (member.is_encrypted) {
      services_.report.OnSkip(place.Full(), SkipReason::kEncrypted, "");
      continue;
    }
    ScanAll({.stream = *member.content,
             .place = std::move(place),
             .name = member.name,
             .level = content.level + 1,
             .archives = content.archives + 1});
  }
  return status;
}

absl::Status FileScanner::ScanBytes(const Content& content) {
  ContentSink sink(*findings_, content.place, lines_.get());
  file_.OnSilence([this, &sink] { stream_.Settle(sink); });
  const std::string_view content_type = ContentTypeOfName(content.name);
  stream_.Begin({.location = content.name == "-" ? std::string_view() : content.name,
                 .content_type = content_type,
                 .is_script = IsScriptType(content_type)});
  if (lines_ != nullptr) lines_->Begin();
  absl::Status status;
  while (true) {
    const absl::StatusOr<std::string_view> bytes = content.stream.Next();
    if (!bytes.ok()) status = bytes.status();
    if (!bytes.ok() || bytes->empty()) break;
    if (lines_ != nullptr) lines_->SetChunk(*bytes);
    stream_.Feed(*bytes, sink);
    if (lines_ != nullptr && !content.stream.ended()) lines_->Keep();
    services_.report.OnScanned(bytes->size());
  }
  stream_.Finish(sink);
  if (lines_ != nullptr) lines_->End();
  file_.OnSilence(nullptr);
  services_.report.OnNotDecoded(stream_.bytes_not_decoded() - not_decoded_);
  not_decoded_ = stream_.bytes_not_decoded();
  return status;
}

void FileScanner::Report(const FilePlace& place, const absl::Status& status) {
  if (absl::IsCancelled(status)) return;
  const SkipReason reason = absl::IsDataLoss(status)            ? SkipReason::kDamaged
                            : absl::IsResourceExhausted(status) ? SkipReason::kDecompressionLimit
                            : absl::IsPermissionDenied(status)  ? SkipReason::kEncrypted
                            : absl::IsUnimplemented(status)     ? SkipReason::kUnsupported
                                                                : SkipReason::kUnreadable;
  services_.report.OnSkip(place.Full(), reason, {status.message().data(), status.message().size()});
}

}  // namespace skimwatch::offline
