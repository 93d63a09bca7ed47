#ifndef SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_BROWSER_INVENTORY_H_
#define SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_BROWSER_INVENTORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/script/approvals.h"
#include "agent/script/source/browser_report/agreement.h"
#include "agent/script/source/browser_report/browser_state.pb.h"
#include "agent/script/source/browser_report/claims.h"
#include "agent/script/source/browser_report/report_address.h"
#include "agent/script/source/browser_report/report_sink.h"
#include "skimwatch/v1/finding.pb.h"

namespace skimwatch::script {

// The scripts that shoppers' browsers say they load, by page: what `csp-hash` reports say against
// what the collector approves, as script changes that its inventory takes like those of a web root.
//
// A version counts once `browsers_min` networks reported it. During the first `learning` everything
// is proposed (CHANGE_PROPOSED). Afterwards an address that no page of the site had is
// CHANGE_ADDED, and other bytes are CHANGE_CHANGED unless the collector approves them. When the
// bytes that are not approved were not reported for `restore_after` and approved ones are, that is
// CHANGE_RESTORED. A script that nobody reported for `gone_after`, while other reports of the site
// came all that time, is CHANGE_REMOVED.
//
// A browser gives no hash for a script of another origin without `crossorigin`: then the version is
// the SHA-256 of the address, as for a web root's references, with the fact `no_hash`. The same
// stands for a script whose bytes differ from shopper to shopper, with the fact `many_versions`:
// its versions are counted and told no more.
//
// Thread-compatible. Bounded: `scripts_max` scripts with kVersionsMax versions each; what a few
// networks claim that nobody agrees with takes no room from the others (see Claims).
class BrowserInventory {
 public:
  static constexpr size_t kVersionsMax = 16;

  struct Options {
    size_t browsers_min = 3;
    absl::Duration learning = absl::Hours(24);
    absl::Duration restore_after = absl::Hours(1);
    absl::Duration gone_after = absl::Hours(24 * 7);
    // No report of a site for so long is a silence, of which nothing follows.
    absl::Duration silence = absl::Hours(24);
    // Reports of one version that are further apart do not agree.
    absl::Duration agree_within = absl::Hours(24);
    size_t scripts_max = 8192;
    // Scripts that not enough browsers agreed on yet, of all networks and of one.
    size_t pending_max = 2048;
    size_t pending_of_network_max = 128;
    // The site of a host, empty for none.
    std::function<std::string(std::string_view host)> site_of_host;
  };

  // What became of a report.
  enum class Outcome : uint8_t {
    // Counted for a version that is known or waits for agreement.
    kTaken,
    // Without a hash; the address is what is kept.
    kNoHash,
    // Of another algorithm, or no hash at all.
    kBadHash,
    // Of a script whose bytes differ from shopper to shopper.
    kManyVersions,
    // The network already claims several scripts or versions that nobody else saw.
    kContradicting,
    // `scripts_max` or `pending_max` are there, and none gives way.
    kFull,
  };

  // Goes on from `state`, or from nothing. `sink` must outlive it.
  BrowserInventory(Options options, const BrowserState& state, ReportSink& sink);

  void SetApprovals(std::shared_ptr<const Approvals> approvals);

  // A browser loaded a script on `page` (what ShownAddress gave). Card numbers in the script's
  // address, encoded ones too, are overwritten before anything is made of it, whatever the scan of
  // traffic looks for. `hash` is as reported.
  Outcome Add(const std::string& site, const std::string& page, const ReportedAddress& script,
              std::string_view hash, const Reporter& reporter, absl::Time now);

  // Forgets what is over. To be called every minute or so.
  void Sweep(absl::Time now);

  bool is_learning(absl::Time now) const;
  uint64_t scripts() const { return agreed_; }
  uint64_t pending() const { return claims_.size(); }
  uint64_t unapproved() const;
  uint64_t changes() const { return changes_; }
  // Scripts that too few agreed on and that were forgotten for want of room, since the last call.
  uint64_t TakeForgotten() { return std::exchange(forgotten_, 0); }

  // What is to be saved changed since MarkSaved; `told`: what went to the sink, too.
  bool changed() const { return changed_; }
  bool told() const { return told_; }
  BrowserState State() const;
  void MarkSaved() { changed_ = told_ = false; }

 private:
  struct Version {
    std::string sha256;
    absl::Time last_seen;
    bool agreed = false;
    // Who reported it first, while it is not agreed on.
    uint64_t first_network = 0;
    Agreement agreement;
  };
  struct Script {
    std::string site;
    std::string page;
    std::string address;
    std::string name;
    // SHA-256 of the address: the version where there is no other.
    std::string address_sha256;
    // What was told last; empty while nothing was.
    std::string served;
    bool varies = false;
    uint64_t first_network = 0;
    // While nothing was told.
    std::optional<Claims::Claim> claim;
    absl::Time last_seen = absl::InfinitePast();
    std::vector<Version> versions;
  };
  // Reports of a site, without a silence between them.
  struct Hearing {
    absl::Time since = absl::InfinitePast();
    absl::Time last = absl::InfinitePast();
  };
  // By site, address and page.
  using Scripts = std::map<std::string, Script>;

  // `address` is as it was sent.
  Script* FindOrAdd(const std::string& site, const std::string& page, std::string address,
                    const Reporter& reporter, absl::Time now, Outcome& outcome);
  Version* FindOrAddVersion(Script& script, const std::string& sha256, const Reporter& reporter,
                            absl::Time now, Outcome& outcome);
  // Makes room for a version; false when all that is there is of late.
  static bool DropOldVersion(Script& script, absl::Time before);
  void OnAgreed(Script& script, Version& version, absl::Time now);
  void OnSeenAgain(Script& script, Version& version, absl::Time now);
  void MarkVarying(Script& script, absl::Time now);
  // What other bytes took the place of: those approved that were seen last, else those told last.
  const std::string& ApprovedOrServed(const Script& script, const std::string& sha256) const;
  void Tell(Script& script, v1::ScriptChange::Change change, const std::string& sha256,
            size_t browsers);

  bool IsApproved(const Script& script, const std::string& sha256) const;
  bool IsApprovedAnywhere(const Script& script, const std::string& sha256) const;
  bool ServedElsewhere(const Script& script, const std::string& sha256) const;
  bool IsKnownHost(const Script& script) const;
  void Hear(const std::string& site, absl::Time now);
  // Whether its silence says something.
  bool IsGone(const Script& script, absl::Time now) const;
  // Makes room for a script of `network`; there must be one that gives way.
  void ForgetFor(uint64_t network);
  // No longer counted for what it is: agreed on, or a network's claim.
  void Release(Script& script);

  const Options options_;
  ReportSink& sink_;
  std::shared_ptr<const Approvals> approvals_;
  absl::Time first_report_ = absl::InfiniteFuture();
  // By site, of which there are as many as the configuration has.
  std::map<std::string, Hearing> hearings_;
  Scripts scripts_;
  Claims claims_;
  uint64_t agreed_ = 0;
  uint64_t forgotten_ = 0;
  uint64_t changes_ = 0;
  bool changed_ = false;
  bool told_ = false;
};

}  // namespace skimwatch::script

#endif  // SKIMWATCH_AGENT_SCRIPT_SOURCE_BROWSER_REPORT_BROWSER_INVENTORY_H_
