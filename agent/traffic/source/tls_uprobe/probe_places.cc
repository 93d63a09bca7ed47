#include "agent/traffic/source/tls_uprobe/probe_places.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace skimwatch::traffic {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kEndbr64 = "\xf3\x0f\x1e\xfa"sv;

// Instructions one after another, with where they lie in the file.
class Code {
 public:
  Code(int fd, uint64_t offset) : offset_(offset) {
    const ssize_t got = pread(fd, bytes_.data(), bytes_.size(), static_cast<off_t>(offset));
    rest_ = {bytes_.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))};
  }

  uint64_t offset() const { return offset_; }
  bool Take(std::string_view instruction) {
    if (!rest_.starts_with(instruction)) return false;
    Skip(instruction.size());
    return true;
  }
  // An instruction that ends with a number of one byte or of four, with its sign.
  std::optional<int32_t> TakeWithByte(std::string_view instruction) {
    return TakeWith<int8_t>(instruction);
  }
  std::optional<int32_t> TakeWithWord(std::string_view instruction) {
    return TakeWith<int32_t>(instruction);
  }
  // push of a register.
  bool AtPush() const {
    const std::string_view code = rest_.substr(rest_.starts_with('\x41') ? 1 : 0);
    return !code.empty() && (static_cast<uint8_t>(code.front()) & 0xf8) == 0x50;
  }

 private:
  template <typename T>
  std::optional<int32_t> TakeWith(std::string_view instruction) {
    if (rest_.size() < instruction.size() + sizeof(T) || !rest_.starts_with(instruction)) {
      return std::nullopt;
    }
    T number;
    std::memcpy(&number, rest_.data() + instruction.size(), sizeof number);
    Skip(instruction.size() + sizeof number);
    return number;
  }
  void Skip(size_t bytes) {
    rest_.remove_prefix(bytes);
    offset_ += bytes;
  }

  uint64_t offset_;
  std::array<char, 96> bytes_{};
  std::string_view rest_;
};

// Where a probe that is set at `offset` is best set: the same place, or what follows an endbr64.
uint64_t PlaceAt(int fd, uint64_t offset) {
  Code code(fd, offset);
  return code.Take(kEndbr64) && code.AtPush() ? code.offset() : offset;
}

bool IsPush(int fd, uint64_t offset) { return Code(fd, offset).AtPush(); }

std::optional<uint64_t> TakeCall(Code& code) {
  std::optional<int32_t> distance = code.TakeWithWord("\xe8"sv);
  if (!distance.has_value()) return std::nullopt;
  return code.offset() + static_cast<uint64_t>(int64_t{*distance});
}

// int SSL_write(SSL *ssl, const void *buf, int num), where it is
//
//   size_t written;
//   if (num < 0) ...;
//   int ret = inner(ssl, buf, (size_t)num, &written);
//   if (ret > 0) ret = (int)written;
//
// as compilers translate it; returns where `inner` begins.
std::optional<uint64_t> InnerOf(int fd, uint64_t offset) {
  Code code(fd, offset);
  bool is_widened = false;
  std::optional<int32_t> written_at;
  while (true) {
    if (code.Take(kEndbr64) ||                                  // endbr64
        code.Take("\x64\x48\x8b\x04\x25\x28\0\0\0"sv) ||        // mov %fs:0x28,%rax
        code.TakeWithByte("\x48\x89\x44\x24"sv).has_value() ||  // mov %rax,N(%rsp)
        code.Take("\x31\xc0"sv) ||                              // xor %eax,%eax
        code.Take("\x85\xd2"sv) ||                              // test %edx,%edx
        code.TakeWithByte("\x78"sv).has_value() ||              // js
        code.TakeWithWord("\x0f\x88"sv).has_value()) {          // js
      continue;
    }
    if (code.TakeWithByte("\x48\x83\xec"sv).has_value()) {  // sub $N,%rsp
      if (written_at.has_value()) return std::nullopt;
    } else if (code.Take("\x48\x89\xe1"sv)) {  // mov %rsp,%rcx
      written_at = 0;
    } else if (const auto at = code.TakeWithByte("\x48\x8d\x4c\x24"sv)) {  // lea N(%rsp),%rcx
      written_at = at;
    } else if (code.Take("\x48\x63\xd2"sv)) {  // movslq %edx,%rdx
      is_widened = true;
    } else {
      break;
    }
  }
  const std::optional<uint64_t> inner = TakeCall(code);
  if (!inner.has_value() || !is_widened || !written_at.has_value()) return std::nullopt;
  if (!code.Take("\x85\xc0"sv)) return std::nullopt;  // test %eax,%eax
  if (*written_at == 0) {
    // jle over the next; mov (%rsp),%eax
    return code.Take("\x7e\x03\x8b\x04\x24"sv) ? inner : std::nullopt;
  }
  // jle over the next; mov N(%rsp),%eax
  return code.TakeWithByte("\x7e\x04\x8b\x44\x24"sv) == written_at ? inner : std::nullopt;
}

// Whether int SSL_write_ex(SSL *ssl, const void *buf, size_t num, size_t *written) gives its
// arguments to `inner` as they are.
bool PassesOnTo(int fd, uint64_t offset, uint64_t inner) {
  Code code(fd, offset);
  code.Take(kEndbr64);
  if (const auto distance = code.TakeWithWord("\xe9"sv)) {  // jmp
    return code.offset() + static_cast<uint64_t>(int64_t{*distance}) == inner;
  }
  // sub $N,%rsp
  return code.TakeWithByte("\x48\x83\xec"sv).has_value() && TakeCall(code) == inner;
}

// Lets `plain` and `extended` give way to what they call.
void Join(int fd, std::string_view plain, std::string_view extended,
          absl::Span<const std::string_view> names, std::vector<ElfFunction>& functions) {
  const auto find = [&](std::string_view name) {
    return std::find_if(functions.begin(), functions.end(),
                        [&](const ElfFunction& f) { return names[f.name] == name; });
  };
  const auto one = find(plain);
  const auto other = find(extended);
  if (one == functions.end() || other == functions.end()) return;
  const std::optional<uint64_t> inner = InnerOf(fd, one->offset);
  if (!inner.has_value() || !PassesOnTo(fd, other->offset, *inner)) return;
  const uint64_t place = PlaceAt(fd, *inner);
  if (!IsPush(fd, place)) return;
  // Its arguments are those of `extended`.
  other->offset = place;
  functions.erase(one);
}

}  // namespace

std::vector<ElfFunction> CheapPlaces(int fd, std::vector<ElfFunction> functions,
                                     absl::Span<const std::string_view> names) {
#ifdef __x86_64__
  for (ElfFunction& function : functions) function.offset = PlaceAt(fd, function.offset);
  Join(fd, "SSL_write", "SSL_write_ex", names, functions);
  Join(fd, "SSL_read", "SSL_read_ex", names, functions);
#else
  static_cast<void>(fd);
  static_cast<void>(names);
#endif
  return functions;
}

}  // namespace skimwatch::traffic
