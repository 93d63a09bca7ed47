#ifndef SKIMWATCH_AGENT_MEMORY_WIPE_H_
#define SKIMWATCH_AGENT_MEMORY_WIPE_H_

#include <cstddef>
#include <string>

namespace skimwatch::memory {

// Empties `text` and overwrites all of its memory, what is beyond its size too. It keeps the memory
// for further use.
void Wipe(std::string& text);

// Overwrites the text beyond `size`, and cuts it there.
void WipeFrom(std::string& text, size_t size);

// Overwrites the stack below the caller, where functions that returned left their variables and
// what registers were spilled: digits that nobody points to any more. For a thread that handled
// traffic, before it waits. Takes about 2 us.
void WipeDeadStack();

}  // namespace skimwatch::memory

#endif  // SKIMWATCH_AGENT_MEMORY_WIPE_H_
