#ifndef SKIMWATCH_AGENT_CARD_DECODED_TEXT_H_
#define SKIMWATCH_AGENT_CARD_DECODED_TEXT_H_

#include <string.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace skimwatch::card {

// A piece of text that was decoded from another, and where in that other each byte came from.
// Fixed size; wiped by Wipe and in the end.
class DecodedText {
 public:
  static constexpr size_t kCapacity = 8192;
  // The most that one unit of any encoding decodes to.
  static constexpr size_t kUnitBytesMax = 4;

  DecodedText() { sources_[0] = 0; }
  ~DecodedText() { Wipe(); }
  DecodedText(const DecodedText&) = delete;
  DecodedText& operator=(const DecodedText&) = delete;

  void Clear() {
    used_ = std::max(used_, size_);
    size_ = 0;
  }
  void Wipe() {
    Clear();
    explicit_bzero(bytes_.data(), used_);
    used_ = 0;
  }

  // Whether another unit fits.
  bool HasRoom() const { return size_ + kUnitBytesMax <= kCapacity; }
  // `source` is where the unit begins that the byte belongs to. Only while HasRoom.
  void Append(char byte, size_t source) {
    bytes_[size_] = byte;
    sources_[size_++] = static_cast<uint32_t>(source);
  }
  // Bytes of units of one byte each that fit.
  size_t room() const { return kCapacity - size_; }
  // Appends text that stands for itself, at most room() bytes, from `source` on.
  void AppendRun(std::string_view text, size_t source) {
    memcpy(bytes_.data() + size_, text.data(), text.size());
    for (size_t i = 0; i < text.size(); ++i) {
      sources_[size_ + i] = static_cast<uint32_t>(source + i);
    }
    size_ += text.size();
  }
  // Where the source of the last unit ends.
  void SetEnd(size_t source) { sources_[size_] = static_cast<uint32_t>(source); }

  std::string_view view() const { return {bytes_.data(), size_}; }
  size_t size() const { return size_; }
  // Where the unit of byte `index` begins; of size(), where the last ends.
  size_t Source(size_t index) const { return sources_[index]; }
  // The first byte whose unit begins at `source` or later; size() when there is none.
  size_t IndexOf(size_t source) const {
    return static_cast<size_t>(
        std::lower_bound(sources_.begin(), sources_.begin() + size_, source) - sources_.begin());
  }
  // Where the unit of byte `index` ends.
  size_t SourceEnd(size_t index) const {
    size_t next = index + 1;
    while (next < size_ && sources_[next] == sources_[index]) ++next;
    return sources_[next];
  }

 private:
  std::array<char, kCapacity> bytes_;
  std::array<uint32_t, kCapacity + 1> sources_;
  size_t size_ = 0;
  // How much was written since the last wipe.
  size_t used_ = 0;
};

}  // namespace skimwatch::card

#endif  // SKIMWATCH_AGENT_CARD_DECODED_TEXT_H_
