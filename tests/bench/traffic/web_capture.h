#ifndef SKIMWATCH_TESTS_BENCH_TRAFFIC_WEB_CAPTURE_H_
#define SKIMWATCH_TESTS_BENCH_TRAFFIC_WEB_CAPTURE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace skimwatch::traffic::bench {

// The body of a response, as a server sends it.
struct WebBody {
  std::string content_type;
  // Empty for a body as it is.
  std::string coding;
  std::string bytes;
  // Before coding.
  size_t content_bytes = 0;
};

// Which bodies are compressed.
enum class Codings : uint8_t {
  // Of text three in five by gzip and one in five by brotli; images, fonts and WebAssembly, which
  // are a third of all bodies, stay as they are.
  kMixed,
  kNone,
  // All text, and no other bodies.
  kGzip,
};

// Bodies made of the files that tests/data/gather-web-files.sh gathers into `corpus`, chosen by
// `seed`, of 500 bytes to 512 KiB, until `bytes_max` of content. Text are scripts, style sheets and
// pages, and one in ten JSON or SVG. Empty where there are no files.
std::vector<WebBody> LoadBodies(const std::string& corpus, Codings codings, size_t bytes_max,
                                uint32_t seed);

// What a capture file holds.
struct CaptureTotals {
  uint64_t file_bytes = 0;
  uint64_t packets = 0;
  // Bytes of all packets on the wire, link headers included.
  uint64_t wire_bytes = 0;
  // What requests and bodies hold, codings undone.
  uint64_t content_bytes = 0;
  uint64_t flows = 0;
  // Card numbers in requests, each of its own, beginning with kPlantedPrefix.
  uint64_t planted = 0;
};

// Of the numbers planted, which no issuer uses here.
inline constexpr char kPlantedPrefix[] = "400001";

// A number with a valid check digit that begins with kPlantedPrefix; `n` is below 10^9.
std::string PlantedNumber(uint64_t n);

// Writes conversations of browsers with web servers, half of them HTTP/1.1 and half HTTP/2, until
// the file has `file_bytes`: 200 connections at a time, of 40 exchanges each, whose bursts of ten
// segments are interleaved. Every hundredth request is a POST with a number.
CaptureTotals WriteMixed(const std::string& path, const std::vector<WebBody>& bodies,
                         uint64_t file_bytes, uint32_t seed);

// Writes `flows` HTTP/1.1 connections that are all open at once. Each makes an exchange of a small
// page; when all have, each makes another one. With `all_in_body` the first response of every one
// is still on its way when the next connection opens, and ends only when all are open; without, it
// is complete. Every thousandth second response has a number in its body, which is a finding of
// that response only if the connection was followed all the time.
CaptureTotals WriteConcurrent(const std::string& path, uint64_t flows, bool all_in_body);

}  // namespace skimwatch::traffic::bench

#endif  // SKIMWATCH_TESTS_BENCH_TRAFFIC_WEB_CAPTURE_H_
