#ifndef SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_SOURCE_H_
#define SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/traffic/coverage.h"
#include "agent/traffic/message.h"
#include "skimwatch/config/v1/agent.pb.h"

namespace skimwatch::traffic {

// Follows systemd's journal (sd-journal(3)) and passes the fields of each entry to the sink, each
// as a part of its own (Part::kField, `NAME=value`, direction kAtRest), MESSAGE first.
//
// Passed are all fields that a program wrote, and its command line. Fields that journald adds
// (numbers, ids, units) are taken as provenance, and neither scanned nor counted as seen. What is
// beyond `field_bytes_max` of a field, or four times as much of an entry, is counted as
// kTruncatedEntryLimit; of a compressed field libsystemd undoes only a little more than the limit,
// and only that is counted.
//
// The place of the last entry is kept in `state_file`, replaced atomically, and saved only after
// `before_save` returned, so that a crash repeats entries rather than loses them; after a restart
// in good order nothing is lost or seen twice. Entries are read in the order of sd_journal_next(3):
// a directory holds the journal of one machine.
//
// What can't be read is counted with its reason: entries that were deleted before they were read,
// files that are damaged or may not be read. Where there is no journal, or none that may be read,
// it is looked for again every `reopen_interval`.
//
// Owns one thread. Notified by inotify, which libsystemd sets up.
class JournalSource {
 public:
  struct Options {
    // A folder of journal files; empty for the journal of this machine.
    std::string directory;
    // `FIELD=value`. Values of one field are alternatives; all fields named must match. Empty for
    // every entry.
    std::vector<std::string> matches;
    std::string site;
    // Where to begin without a saved place: at the oldest entry rather than after the newest.
    bool from_start = false;
    uint32_t field_bytes_max = 1048576;
    // Its folder must exist. Several sources need several files.
    std::string state_file;
    // At the files, besides when libsystemd tells of new ones.
    absl::Duration look_interval = absl::Seconds(30);
    absl::Duration reopen_interval = absl::Seconds(10);
    absl::Duration save_interval = absl::Seconds(1);
    // Makes findings of the entries so far durable; called before the place is saved. May be null.
    std::function<void()> before_save;

    // Unset fields take the defaults above.
    static Options FromConfig(const config::v1::Journal& config, std::string state_file);
  };

  struct Stats {
    // False while there is no journal that can be read.
    bool up = false;
    uint64_t entries = 0;
    uint64_t fields = 0;
    // Bytes of fields, names included, also of what limits cut off.
    uint64_t bytes = 0;
    // Fields of which a limit cut something off.
    uint64_t fields_cut = 0;
    // Entries of which a part could not be read.
    uint64_t entries_damaged = 0;
    // Times that entries were deleted (rotation, vacuuming) before they were read, or may have
    // been: with `matches`, and in the run of another journald, numbers don't tell.
    uint64_t deletions = 0;
    // Entries that were not read, at most, by why: deleted, in files that may not be read, or where
    // a file is damaged. The numbers of entries tell, so nothing here with `matches`.
    uint64_t entries_deleted = 0;
    uint64_t entries_not_permitted = 0;
    uint64_t entries_unreadable = 0;
    // Files that could not be read to their end, each once.
    uint64_t files_damaged = 0;
    // Gauges.
    uint64_t files = 0;
    uint64_t files_not_permitted = 0;
    // Troubles, each once for as long as it lasts. `last_error` names one.
    uint64_t errors = 0;
    std::string last_error;
  };

  // Finds the journal and its end, from which it follows, and reads the state file; one that can't
  // be understood is set aside under the name `<state_file>.damaged` and counted as an error.
  // INVALID_ARGUMENT for options. NOT_FOUND without a journal, PERMISSION_DENIED where none of it
  // may be read: then nothing is watched. `coverage` and `sink` must outlive it.
  static absl::StatusOr<std::unique_ptr<JournalSource>> Open(Options options, Coverage& coverage,
                                                             MessageSink& sink);
  // Whether there is a journal that this process may read. Errors as those of Open.
  static absl::Status Check(const std::string& directory);
  // Stops.
  virtual ~JournalSource() = default;

  virtual void Start() = 0;
  // Reads what is there, for five seconds at most, saves the place and ends the thread. Idempotent.
  virtual void Stop() = 0;

  // One round of looking and reading on the caller's thread, for use without Start().
  virtual void PollOnce(absl::Time now) = 0;

  // Thread-safe.
  virtual Stats GetStats() const = 0;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_SOURCE_JOURNAL_SOURCE_H_
