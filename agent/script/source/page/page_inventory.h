#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_INVENTORY_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_INVENTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "agent/script/approvals.h"
#include "agent/script/judge/script_judge.h"
#include "agent/script/script_sink.h"
#include "agent/script/source/browser_report/report_address.h"
#include "agent/script/source/page/page_run.h"
#include "agent/script/source/page/page_state.pb.h"
#include "agent/script/version_store.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// The scripts and headers of the pages of one check: what looks at them saw, against what was seen
// before and what the collector approves, as script changes that its inventory takes like those of
// a web root.
//
// A script with an address is named as reports of shoppers' browsers name it (`page#src=address`),
// and its version is that of the bytes that came, so that one approval holds for both. Code without
// an address is `page#inline-N`, `#eval-N`, `#blob-N`, `#data-N`, recognised by its bytes and else
// by likeness. Bytes that are approved under any name of the site (as a file of a web root) are
// proposed rather than called new. A frame of another site is `page#frame=address`, the page's
// security-relevant headers are `page#headers`.
//
// Until one look was whole, all that is found is proposed; what is new afterwards, on a page that
// was not seen before too, is CHANGE_ADDED. A script that changes from look to look
// (kQuietChangesMax times in a row) and never does anything new gets the fact `many_versions` once,
// and from then on is told of only when it does something new. One that is missing in `gone_after`
// looks is CHANGE_REMOVED.
//
// Thread-compatible.
class PageInventory {
 public:
  static constexpr uint32_t kQuietChangesMax = 3;

  struct Options {
    std::string site;
    uint32_t gone_after = 3;
    bool third_party_frames = false;
    PathTemplateFunction path_template;
    std::function<bool(std::string_view host)> is_site_host;
    VersionStore* versions = nullptr;
    const ScriptJudge* judge = nullptr;
    ScriptSink* sink = nullptr;
    size_t scripts_max = 16384;
  };

  // Goes on from `state`, or from nothing. What `options` point to must outlive this.
  PageInventory(Options options, const PageState& state);

  void SetApprovals(std::shared_ptr<const Approvals> approvals);

  // What a look saw. Of one that came to an early end, what is missing does not count; of one that
  // did not get to the page, nothing does.
  void Apply(const PageRun& run);

  // Texts that are known, by SHA-256.
  absl::flat_hash_set<std::string> KnownTexts() const;
  // A page's name in findings: origin and path template, fit to be shown.
  std::string ShownPage(std::string_view address) const;
  // The name of what an address stands for, as far as `page` has it; else the address as it can be
  // shown.
  std::string NameOf(std::string_view page, std::string_view address) const;

  uint64_t scripts() const;
  uint64_t unapproved() const;
  uint64_t changes() const { return changes_; }
  // Scripts that there was no room for.
  uint64_t left_out() const { return left_out_; }

  bool changed() const { return changed_; }
  // Without what the monitor keeps beside it.
  PageState State() const;
  // The state is on disk: versions that it no longer names can go.
  void MarkSaved();

 private:
  // As it is now.
  struct Seen {
    v1::ScriptVersion version;
    std::string text_sha256;
    const std::string* text = nullptr;
    std::string seen_as;
    std::string initiator;
    std::string host;
    std::vector<std::string> listeners;
    // Its hash is in the page's Content-Security-Policy.
    bool in_policy = false;
  };
  // By page and family.
  using Key = std::pair<std::string, std::string>;

  std::map<Key, std::vector<Seen>> Gather(const PageRun& run,
                                          std::vector<std::string>& texts) const;
  // Bytes that a script is known by do not vouch for another text than theirs.
  void TellBytesFromText(const Key& key, std::vector<Seen>& seen) const;
  void ApplyFamily(const Key& key, std::vector<Seen>& seen, bool is_proposal);
  void See(const Key& key, const Seen& seen, bool is_proposal, PageScript& script);
  void SeeHeaders(const Seen& seen, v1::ScriptChange& change, v1::Severity& severity) const;
  // Whether what differs is told: true as long as the script does not vary, or does something new.
  bool SettleVarying(const std::string& name, const Seen& seen, v1::ScriptChange& change,
                     v1::Severity severity, PageScript& script);
  void SeeGone(const Key& key, PageScript& script);
  // Tells when the approval of what is served ended.
  void TellExpired(const Key& key, PageScript& script);
  // Tells the collector what the versions do that it asks about, each once.
  void TakeApartAsked();
  // The Content-Security-Policies of the pages of a look, by page.
  std::map<std::string, std::string> PoliciesOf(const PageRun& run) const;
  bool IsKnownHost(const std::string& host) const;
  std::string ScriptName(const Key& key, uint32_t number) const;
  uint32_t NewNumber(const Key& key, const Seen& seen, const std::vector<PageScript>& slots) const;
  void Hold(const PageScript& script);
  void Release(const PageScript& script);

  const Options options_;
  std::shared_ptr<const Approvals> approvals_;
  absl::flat_hash_set<std::string> baseline_pages_;
  std::map<Key, std::vector<PageScript>> scripts_;
  bool is_static_ = false;
  uint64_t count_ = 0;
  uint64_t changes_ = 0;
  uint64_t left_out_ = 0;
  bool changed_ = false;
  std::vector<std::string> to_release_;
  // Names and hashes that TakeApartAsked told of.
  absl::flat_hash_set<std::string> told_apart_;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_PAGE_PAGE_INVENTORY_H_
