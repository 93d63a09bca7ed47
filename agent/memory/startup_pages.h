#ifndef SKIMWATCH_AGENT_MEMORY_STARTUP_PAGES_H_
#define SKIMWATCH_AGENT_MEMORY_STARTUP_PAGES_H_

namespace skimwatch::memory {

// Gives the pages of programs and libraries back that hold code and constants: a start runs through
// most of them (relocation, registration of messages, reading of configuration) and what follows
// through few. They are the files' own pages, which the kernel keeps for others and maps again when
// they are touched, at some microseconds for 64 KiB. Nothing that was ever written to is given
// back. From any thread.
void ReleaseStartupPages();

}  // namespace skimwatch::memory

#endif  // SKIMWATCH_AGENT_MEMORY_STARTUP_PAGES_H_
