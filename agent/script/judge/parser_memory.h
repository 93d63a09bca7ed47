#ifndef SKIMWATCH_AGENT_SCRIPT_JUDGE_PARSER_MEMORY_H_
#define SKIMWATCH_AGENT_SCRIPT_JUDGE_PARSER_MEMORY_H_

#include <array>
#include <cstddef>
#include <vector>

namespace skimwatch::script {

// Memory of what tree-sitter makes in one thread while this lives: millions of small pieces, which
// come from blocks of their own and go back to the system all at once. What was made under it must
// be deleted before it ends. Where none lives, tree-sitter has the program's heap.
//
// The first one sets tree-sitter's allocator for the whole program. One a thread at a time.
class ParserMemory {
 public:
  ParserMemory();
  ~ParserMemory();
  ParserMemory(const ParserMemory&) = delete;
  ParserMemory& operator=(const ParserMemory&) = delete;

  // Pieces of 16 bytes times the class, 1 to 32; nullptr when there is no memory.
  void* Take(size_t size_class);
  void Give(void* piece, size_t size_class);

 private:
  struct Free {
    Free* next;
  };

  static constexpr size_t kClasses = 33;

  std::array<Free*, kClasses> free_{};
  std::vector<void*> blocks_;
  char* begin_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_JUDGE_PARSER_MEMORY_H_
