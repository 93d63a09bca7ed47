#ifndef SKIMWATCH_COLLECTOR_INGEST_AGENT_STREAM_H_
#define SKIMWATCH_COLLECTOR_INGEST_AGENT_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "collector/ingest/committer.h"
#include "collector/ingest/ingest_service.h"
#include "collector/ingest/token_bucket.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "skimwatch/v1/ingest_service.pb.h"

namespace skimwatch::ingest {

class AgentStream;

// What a stream needs of the service it belongs to.
class StreamHost {
 public:
  virtual ~StreamHost() = default;
  virtual const IngestService::Options& options() const = 0;
  virtual Committer& committer() = 0;
  // Makes `stream` the one of its agent, ending an older one. UNAVAILABLE while draining.
  virtual absl::Status Register(const std::shared_ptr<AgentStream>& stream) = 0;
  // Forgets a stream that is over.
  virtual void Remove(AgentStream* stream) = 0;
};

// One agent's stream: gRPC's reactor for it. gRPC calls the On... methods on its threads, one at a
// time for reads and one at a time for writes; the committer calls back on its own.
//
// The host holds a reference until OnDone, and every callback that is under way holds one.
class AgentStream : public grpc::ServerBidiReactor<v1::StreamRequest, v1::StreamResponse>,
                    public std::enable_shared_from_this<AgentStream> {
 public:
  AgentStream(StreamHost* host, grpc::CallbackServerContext* context);

  // Begins to read; or ends at once where `refusal` is an error. Call once.
  void Start(const absl::Status& refusal);
  // Sends the policy now in force when the agent has an older one.
  void PushPolicy();
  // Ends the stream with `status`: at once, or after what is in flight is acknowledged.
  void Close(const absl::Status& status, bool after_acks);

  // Empty until the agent is admitted.
  std::string identity() const;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  absl::Status Handle(v1::StreamRequest& request);
  absl::Status HandleHello(const v1::Hello& hello);
  absl::Status Admit(const v1::Hello& hello, const std::string& identity);
  absl::Status HandleBatch(v1::FindingBatch& batch);
  absl::Status HandleHeartbeat(const v1::Heartbeat& heartbeat);
  void Commit(CommitRequest request);
  void OnCommitted(const absl::StatusOr<uint64_t>& committed);
  // Reads the next message when nothing holds the agent back.
  void ReadOn();
  void StartNextRead();
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MaybeFinish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  StreamHost* const host_;
  grpc::CallbackServerContext* const context_;
  // Used by reads only, which come one at a time.
  v1::StreamRequest request_;
  uint64_t epoch_ = 0;
  uint64_t received_ = 0;
  uint64_t invalid_findings_ = 0;
  std::optional<TokenBucket> bucket_;
  absl::Duration hold_back_;
  grpc::Alarm alarm_;

  mutable absl::Mutex mutex_;
  std::string identity_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> sites_ ABSL_GUARDED_BY(mutex_);
  bool admitted_ ABSL_GUARDED_BY(mutex_) = false;
  v1::StreamResponse response_ ABSL_GUARDED_BY(mutex_);
  std::optional<v1::Welcome> welcome_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const v1::Policy> policy_ ABSL_GUARDED_BY(mutex_);
  uint64_t policy_version_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t committed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ack_due_ ABSL_GUARDED_BY(mutex_) = false;
  uint32_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  // The next read waits for an acknowledgement.
  bool read_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool close_after_acks_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status final_status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace skimwatch::ingest

#endif  // SKIMWATCH_COLLECTOR_INGEST_AGENT_STREAM_H_
