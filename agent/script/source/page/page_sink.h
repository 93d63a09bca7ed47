#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_SINK_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_SINK_H_

#include <string>
#include <string_view>
#include <vector>

#include "agent/card/card_match.h"
#include "agent/script/script_sink.h"

namespace skimwatch::script {

// Something that left a page, as it may be told: addresses without what data is in them.
struct PageDeparture {
  std::string site;
  // The page, as origin and path template, and the look that saw it.
  std::string page;
  std::string run_id;
  // Where to: host and port, and the path as it was, which may hold a card number.
  std::string host;
  std::string destination;
  std::string path;
  std::string method;
  std::string part;
  // The canary in it, with its encodings; without, something that could not be decoded.
  bool has_canary = false;
  std::vector<std::string> encodings;
  // The script that sent it, by its name in the inventory, or its address.
  std::string script;
};

// Takes what looks at pages found.
class PageSink : public ScriptSink {
 public:
  // Before a canary is typed: wherever else it is seen, it comes from there.
  virtual void OnCanaryTyped(std::string_view site, std::string_view page, std::string_view run_id,
                             std::string_view number) = 0;
  // The canary was on its way to where it may not go, or something was after it had been typed.
  virtual void OnDeparture(const PageDeparture& departure) = 0;
  // A card number that is not the canary's in what a page sends. `match` is valid during the call;
  // of `place` only what describes the way is set.
  virtual void OnCard(const PageDeparture& place, const card::CardMatch& match) = 0;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_SINK_H_
