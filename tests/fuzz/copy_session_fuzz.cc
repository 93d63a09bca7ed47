// What a peer may send to the servers that take request copies, cut in any way: never a crash or a
// hang, and every byte that HTTP brings is passed on or counted.
//
// Input: a byte that chooses the protocol, then pieces: a byte of length and that many bytes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "agent/traffic/coverage.h"
#include "agent/traffic/source/mirror/copy_queue.h"
#include "agent/traffic/source/mirror/http_session.h"
#include "agent/traffic/source/mirror/icap_session.h"
#include "agent/traffic/source/mirror/spoe_session.h"

namespace {

class CountingHandler final : public skimwatch::traffic::ByteFlowHandler {
 public:
  void OnOpen(uint64_t, const skimwatch::traffic::ByteFlow&, absl::Time) override { ++open_; }
  void OnData(uint64_t, bool, std::string_view bytes, absl::Time) override {
    bytes_ += bytes.size();
  }
  void OnShed(uint64_t, bool, uint64_t, absl::Time) override {}
  void OnEnd(uint64_t, absl::Time) override { --open_; }
  void OnIdle(absl::Time) override {}
  void Flush() override {
    if (open_ != 0) abort();
  }

  uint64_t bytes() const { return bytes_; }

 private:
  int64_t open_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace traffic = skimwatch::traffic;
  if (size == 0) return 0;
  const uint8_t choice = data[0] % 3;
  ++data;
  --size;
  CountingHandler handler;
  traffic::Coverage coverage;
  traffic::CopyQueue queue(1 << 20, coverage, handler);
  const std::unique_ptr<skimwatch::serving::Session> session =
      choice == 0   ? traffic::CreateHttpSession(queue, traffic::ByteFlow())
      : choice == 1 ? traffic::CreateIcapSession(queue, traffic::ByteFlow())
                    : traffic::CreateSpoeSession(queue, traffic::ByteFlow());
  // What begins as SPOP goes there from HTTP too.
  const bool is_http = choice == 0 && (size < 2 || data[1] != 0);
  uint64_t fed = 0;
  std::string answer;
  while (size > 0 && !session->done()) {
    const size_t bytes = std::min<size_t>(size - 1, data[0]);
    const std::string_view piece(reinterpret_cast<const char*>(data) + 1, bytes);
    fed += piece.size();
    answer.clear();
    if (!session->Receive(piece, answer).ok()) break;
    data += 1 + bytes;
    size -= 1 + bytes;
  }
  session->Close();
  queue.Stop();
  if (is_http && handler.bytes() + coverage.bytes(traffic::Reason::kShedQueueFull) != fed) abort();
  return 0;
}
