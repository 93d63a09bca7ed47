#include "collector/ingest/policy_source.h"

#include <algorithm>
#include <utility>

#include "openssl/evp.h"

namespace skimwatch::ingest {
namespace {

// Sets of sites that are kept; agents choose theirs.
constexpr size_t kPoliciesMax = 1024;
constexpr char kDigestSetting[] = "configured_policy_sha256";
// Of the key that made the latest fingerprints.
constexpr char kKeyDigestSetting[] = "fingerprint_key_sha256";

absl::StatusOr<std::string> Sha256(const std::string& bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("SHA-256 failed");
  }
  digest.resize(size);
  return digest;
}

}  // namespace

PolicySource::PolicySource(store::Store* store, std::vector<v1::FingerprintKey> keys,
                           std::vector<v1::ExpectedFlow> expected_flows)
    : store_(store) {
  for (v1::FingerprintKey& key : keys) {
    *configured_.add_fingerprint_keys() = std::move(key);
  }
  for (v1::ExpectedFlow& flow : expected_flows) {
    *configured_.add_expected_flows() = std::move(flow);
  }
}

absl::Status PolicySource::Start() {
  // Keys are random, so their digest tells nothing about them.
  absl::StatusOr<std::string> digest = Sha256(configured_.SerializeAsString());
  if (!digest.ok()) return digest.status();
  std::vector<std::string> key_digests;
  for (const v1::FingerprintKey& key : configured_.fingerprint_keys()) {
    absl::StatusOr<std::string> of_key = Sha256(key.SerializeAsString());
    if (!of_key.ok()) return of_key.status();
    key_digests.push_back(*std::move(of_key));
  }
  return store_->Write([&](store::Transaction& transaction) {
    if (absl::Status s = CompareKeys(key_digests, transaction); !s.ok()) return s;
    absl::StatusOr<std::string> last = transaction.GetSetting(kDigestSetting);
    if (!last.ok()) return last.status();
    if (*last == *digest) return absl::OkStatus();
    if (absl::Status s = transaction.PutSetting(kDigestSetting, *digest); !s.ok()) return s;
    return transaction.AdvancePolicyVersion().status();
  });
}

absl::Status PolicySource::CompareKeys(const std::vector<std::string>& digests,
                                       store::Transaction& transaction) {
  lacks_latest_key_ = false;
  if (digests.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> latest = transaction.GetSetting(kKeyDigestSetting);
  if (!latest.ok()) return latest.status();
  if (*latest == digests.front()) return absl::OkStatus();
  lacks_latest_key_ =
      !latest->empty() && std::find(digests.begin(), digests.end(), *latest) == digests.end();
  return transaction.PutSetting(kKeyDigestSetting, digests.front());
}

absl::StatusOr<std::shared_ptr<const v1::Policy>> PolicySource::Get(
    std::vector<std::string> sites) {
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  // The version first: scripts that are approved meanwhile come again with the next version.
  absl::StatusOr<uint64_t> version = store_->PolicyVersion();
  if (!version.ok()) return version.status();
  {
    absl::MutexLock lock(&mutex_);
    const auto it = policies_.find(sites);
    if (it != policies_.end() && it->second->version() == *version) return it->second;
  }
  auto policy = std::make_shared<v1::Policy>(configured_);
  policy->set_version(*version);
  if (!sites.empty()) {
    absl::StatusOr<v1::Policy> scripts = store_->ScriptPolicy(sites);
    if (!scripts.ok()) return scripts.status();
    policy->MergeFrom(*scripts);
    absl::StatusOr<std::vector<v1::ApprovedDestination>> destinations =
        store_->ApprovedDestinations(sites);
    if (!destinations.ok()) return destinations.status();
    policy->mutable_approved_destinations()->Add(destinations->begin(), destinations->end());
  }
  absl::MutexLock lock(&mutex_);
  if (policies_.size() >= kPoliciesMax) policies_.clear();
  policies_[std::move(sites)] = policy;
  return policy;
}

}  // namespace skimwatch::ingest
