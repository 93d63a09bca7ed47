#ifndef SKIMWATCH_AGENT_TRAFFIC_MESSAGE_H_
#define SKIMWATCH_AGENT_TRAFFIC_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace skimwatch::traffic {

enum class SourceKind : uint8_t {
  kPacketCapture,
  kPcapFile,
  kLogFile,
  kMirror,
  kTlsProbe,
  kJournal,
  kSample,
};

// Which way bytes go, seen from the watched host.
enum class Direction : uint8_t {
  kUnknown,
  kOutboundRequest,
  kOutboundResponse,
  kInboundRequest,
  kInboundResponse,
  kAtRest,
};

// The protocol that a message was taken from, as its content showed it.
enum class Protocol : uint8_t {
  // None that is known: bytes as they came.
  kUnknown,
  kHttp1,
  kHttp2,
  kWebSocket,
  kDns,
  kSmtp,
  kFtp,
  kSyslog,
  kTls,
  kQuic,
  kCount,
};

// `unknown`, `http1`, `http2`, `websocket`, ...
std::string_view ProtocolName(Protocol protocol);

// The piece of a message that bytes belong to. A stream is what no protocol recognised.
enum class Part : uint8_t {
  kRequestTarget,
  kRequestHeaders,
  kRequestBody,
  kResponseHeaders,
  kResponseBody,
  kStream,
  kLine,
  // A message of a protocol that knows nothing but messages: WebSocket, syslog.
  kMessage,
  // A command line or a reply of SMTP or FTP.
  kCommand,
  // Names asked for in DNS: as they are, with their labels joined, and the labels of one query
  // after another to one registered domain. The server name that a TLS client asks for.
  kName,
  // Data of a DNS record.
  kRecord,
  // A field of a journal entry, `NAME=value`.
  kField,
};

// `request_target`, `request_headers`, ... as in Provenance.part of the wire contract.
std::string_view PartName(Part part);

struct Address {
  // Text form, RFC 5952.
  std::string ip;
  uint16_t port = 0;
};

// The process that bytes belong to. What is not known is empty.
struct Process {
  uint32_t pid = 0;
  // The file that it runs, as the process itself names it.
  std::string executable;
  // The name of its main thread, at most 15 bytes.
  std::string command;
  // As Docker, containerd, CRI-O or Podman name the container.
  std::string container_id;
  // Path in the cgroup hierarchy.
  std::string cgroup;
};

// Where bytes were seen and where they were going.
struct Provenance {
  SourceKind source = SourceKind::kPacketCapture;
  Protocol protocol = Protocol::kUnknown;
  Direction direction = Direction::kUnknown;
  Address client;
  Address server;
  // The request's host, else `server_name`, lower case, without port; for DNS the registered domain
  // that is asked about. Empty when unknown.
  std::string host;
  // What the client told the server in TLS that it wants to reach (RFC 6066 3), lower case.
  std::string server_name;
  std::string method;
  // The request's path without query, as sent. It may carry a card number: show only
  // `PathTemplate(path)`. Of a journal entry the name of the field.
  std::string path;
  // Scheme and host of the page that the request names (`Origin`, else `Referer`).
  std::string referrer;
  // Media type of the part, lower case, without parameters.
  std::string content_type;
  // The site of the configuration; never empty for live sources.
  std::string site;
  // For log files, the path; for journals `journal:` and the unit or program that wrote the entry.
  std::string file;
  // Null for sources that see no processes.
  std::shared_ptr<const Process> process;
  absl::Time seen_at;
  // With which it was chosen, in (0, 1], and what was drawn for (SampleDecision in
  // flow_sampler.h).
  double sampling_probability = 1.0;
  uint64_t sampling_unit = 0;
  // The part begins in the middle of what one before it began.
  bool continues = false;
  // Another reading of bytes that are in a part besides.
  bool repeats = false;
};

// Overwrites every text of `provenance` that a sender chose: each may hold a number.
void Wipe(Provenance& provenance);

// The beginning of a name that others chose, of at most `bytes_max` bytes. Of one that is longer
// the last 128 bytes of that are left off as well: the first digits of a card number that is cut in
// two would not be known for some where the name is shown, and give the number away.
std::string_view CutName(std::string_view name, size_t bytes_max);

// A path fit to be shown and grouped: segments that look variable (digits, UUIDs, hex, base64,
// long) become `{n}`, `{uuid}`, `{hex}`, `{id}`; cut at 256 bytes. No card number passes, plain or
// in any encoding that the scanner undoes, whatever separators are in it.
std::string PathTemplate(std::string_view path);

// Takes the bytes of one part, in order, after transfer and content coding are undone.
class PartConsumer {
 public:
  virtual ~PartConsumer() = default;
  virtual void Data(std::string_view bytes) = 0;
  // Bytes are missing here (loss, a truncated decoder): what follows does not adjoin.
  virtual void Gap() = 0;
  // The part is over; the consumer must not be used again.
  virtual void End() = 0;
};

// Where messages go. Called on the thread of the source; an implementation is thread-safe when
// several sources share it.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  // A part begins. The consumer belongs to the sink and stays valid until its End(). `provenance`
  // is valid during the call.
  virtual PartConsumer* BeginPart(const Provenance& provenance, Part part) = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_MESSAGE_H_
