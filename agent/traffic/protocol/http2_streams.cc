#include "agent/traffic/protocol/http2_streams.h"

namespace skimwatch::traffic {

Http2Stream* Http2Streams::Find(uint32_t id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return nullptr;
  by_use_.splice(by_use_.end(), by_use_, it->second);
  return &*it->second;
}

Http2Stream* Http2Streams::Get(uint32_t id) {
  if (Http2Stream* stream = Find(id); stream != nullptr) return stream;
  if (by_use_.size() >= kStreamsMax) Remove(by_use_.front().id);
  if (!flow_.decoder.parser_memory.Take(kStreamBytes)) {
    // One of this connection goes, before a connection goes without.
    if (by_use_.empty()) return nullptr;
    Remove(by_use_.front().id);
    if (!flow_.decoder.parser_memory.Take(kStreamBytes)) return nullptr;
  }
  Http2Stream& stream = by_use_.emplace_back(flow_, id);
  by_id_.emplace(id, std::prev(by_use_.end()));
  return &stream;
}

void Http2Streams::Demote(uint32_t id) {
  const auto it = by_id_.find(id);
  if (it != by_id_.end()) by_use_.splice(by_use_.begin(), by_use_, it->second);
}

void Http2Streams::Remove(uint32_t id) {
  const auto it = by_id_.find(id);
  if (it == by_id_.end()) return;
  const auto at = it->second;
  by_id_.erase(it);
  by_use_.erase(at);
  flow_.decoder.parser_memory.Return(kStreamBytes);
}

void Http2Streams::Clear() {
  while (!by_use_.empty()) Remove(by_use_.front().id);
}

}  // namespace skimwatch::traffic
