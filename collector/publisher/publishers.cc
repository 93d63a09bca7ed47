#include "collector/publisher/publishers.h"

#include <stdio.h>
#include <string.h>

#include <cerrno>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "collector/publisher/publisher_list.pb.h"
#include "google/protobuf/util/json_util.h"
#include "openssl/pem.h"
#include "proto/approval/script_pattern.h"
#include "proto/text/printable.h"
#include "proto/validation/card_digits.h"
#include "proto/validation/text.h"

namespace skimwatch::publisher {
namespace {

constexpr size_t kSignatureBytes = 64;
constexpr size_t kHashDigits = 64;
constexpr size_t kReasonBytesMax = 1024;
constexpr uint32_t kFormat = 1;
// A publisher's clock may be ahead by so much.
constexpr absl::Duration kClockSkew = absl::Minutes(5);

absl::Status Bad(const std::string& field, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", why));
}

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

std::string Shown(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string Quoted(std::string_view text) { return absl::StrCat("`", text::Printable(text), "`"); }

bool Verifies(EVP_PKEY* key, std::string_view list, std::string_view signature) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  // Ed25519 takes the message itself, no digest of it (RFC 8032, 5.1.7).
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()),
                          signature.size(), reinterpret_cast<const unsigned char*>(list.data()),
                          list.size()) == 1;
}

absl::StatusOr<std::string> Sha256(std::string_view bytes) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &size,
                 EVP_sha256(), nullptr) != 1) {
    return absl::InternalError("SHA-256 failed");
  }
  digest.resize(size);
  return digest;
}

absl::StatusOr<std::string> HashOf(const std::string& field, const std::string& digits) {
  bool is_hex = digits.size() == kHashDigits;
  for (const char c : digits)
    is_hex = is_hex && absl::ascii_isxdigit(static_cast<unsigned char>(c));
  if (!is_hex) {
    return Bad(field, absl::StrCat("found ", Quoted(digits.substr(0, kHashDigits)),
                                   ", expected the SHA-256 as 64 hex digits"));
  }
  return absl::HexStringToBytes(digits);
}

absl::StatusOr<PublisherList> Parse(std::string_view json) {
  if (!validation::IsUtf8(json)) return Bad("list", "not UTF-8");
  PublisherList list;
  // Fields that it does not know are errors: a list says nothing that is not understood.
  const google::protobuf::util::Status status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &list);
  if (status.ok()) return list;
  std::string why(status.message().data(), status.message().size());
  validation::CutUtf8(why, 300);
  return Bad("list", absl::StrCat("no list in JSON: ", text::Printable(why)));
}

}  // namespace

absl::StatusOr<CheckedList> ListReader::Read(std::string_view json) const {
  absl::StatusOr<PublisherList> parsed = Parse(json);
  if (!parsed.ok()) return parsed.status();
  const PublisherList& list = *parsed;
  if (list.format() != kFormat) {
    return Bad("format", absl::StrCat("found ", list.format(), ", expected ", kFormat));
  }
  if (list.publisher() != publisher_.id()) {
    return Bad("publisher", absl::StrCat("found ", Quoted(list.publisher().substr(0, 64)),
                                         ", but the signature is by ", publisher_.id()));
  }
  if (list.serial() == 0) return Bad("serial", "missing; the first list has 1");
  if (!list.has_issued()) return Bad("issued", "missing");
  if (!list.has_expires()) return Bad("expires", "missing; a list without end can't be taken back");
  CheckedList checked;
  checked.publisher = list.publisher();
  checked.serial = list.serial();
  checked.issued = TimeOf(list.issued());
  checked.expires = TimeOf(list.expires());
  if (checked.issued > now_ + kClockSkew) {
    return Bad("issued", absl::StrCat(Shown(checked.issued), " is in the future"));
  }
  if (checked.expires <= checked.issued) return Bad("expires", "not later than `issued`");
  if (checked.expires <= now_ && !is_stored_) {
    return Bad("expires", absl::StrCat("the list expired on ", Shown(checked.expires)));
  }
  if (list.scripts_size() > kEntriesMax) {
    return Bad("scripts", absl::StrCat(list.scripts_size(), " entries, at most ", kEntriesMax));
  }
  if (list.revoked_size() > kEntriesMax) {
    return Bad("revoked", absl::StrCat(list.revoked_size(), " entries, at most ", kEntriesMax));
  }
  for (int i = 0; i < list.revoked_size(); ++i) {
    const std::string field = absl::StrCat("revoked[", i, "]");
    absl::StatusOr<std::string> hash =
        HashOf(absl::StrCat(field, ".sha256"), list.revoked(i).sha256());
    if (!hash.ok()) return hash.status();
    std::string reason = list.revoked(i).reason();
    if (reason.empty()) return Bad(absl::StrCat(field, ".reason"), "missing");
    validation::ReplaceUnprintable(reason, /*lines=*/false);
    validation::MaskCardNumbers(reason);
    validation::CutUtf8(reason, kReasonBytesMax);
    checked.revoked[*std::move(hash)] = std::move(reason);
  }
  std::vector<std::string> sites(publisher_.sites().begin(), publisher_.sites().end());
  if (sites.empty()) sites.emplace_back();
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  for (int i = 0; i < list.scripts_size(); ++i) {
    const PublishedVersion& version = list.scripts(i);
    const std::string field = absl::StrCat("scripts[", i, "]");
    absl::StatusOr<std::string> hash = HashOf(absl::StrCat(field, ".sha256"), version.sha256());
    if (!hash.ok()) return hash.status();
    if (checked.revoked.contains(*hash)) {
      return Bad(absl::StrCat(field, ".sha256"), "is among `revoked`, too");
    }
    const std::string& script = version.script();
    if (const std::string fault = approval::PatternFault(script); !fault.empty()) {
      return Bad(absl::StrCat(field, ".script"), fault);
    }
    bool in_scope = false;
    for (const std::string& scope : publisher_.scripts()) {
      in_scope = in_scope || approval::PatternIsWithin(script, scope);
    }
    if (!in_scope) {
      return Bad(absl::StrCat(field, ".script"),
                 absl::StrCat(publisher_.id(), " may not speak for ", Quoted(script.substr(0, 200)),
                              ", only for ", absl::StrJoin(publisher_.scripts(), ", ")));
    }
    absl::Time end = checked.expires;
    if (version.has_expires()) {
      if (TimeOf(version.expires()) > end) {
        return Bad(absl::StrCat(field, ".expires"), "later than the list's");
      }
      end = TimeOf(version.expires());
    }
    if (end <= now_) continue;
    for (const std::string& site : sites) {
      if (!seen.emplace(site, script, *hash).second) continue;
      v1::PublishedScript& published = checked.scripts.emplace_back();
      published.set_site(site);
      published.set_script(script);
      published.set_sha256(*hash);
      published.mutable_expires_at()->set_seconds(absl::ToUnixSeconds(end));
    }
  }
  absl::StatusOr<std::string> digest = Sha256(json);
  if (!digest.ok()) return digest.status();
  checked.sha256 = *std::move(digest);
  return checked;
}

std::string PublisherOf(std::string_view json) {
  absl::StatusOr<PublisherList> list = Parse(json);
  return list.ok() ? list->publisher() : "";
}

absl::StatusOr<Publishers::Key> Publishers::ReadKey(const std::string& file) {
  const std::unique_ptr<FILE, decltype(&fclose)> stream(fopen(file.c_str(), "re"), &fclose);
  if (stream == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": can't be read: ", std::generic_category().message(errno)));
  }
  Key key(PEM_read_PUBKEY(stream.get(), nullptr, nullptr, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": no public key in PEM; `openssl pkey -in KEY -pubout` writes one"));
  }
  if (EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": not an Ed25519 key; `openssl genpkey -algorithm ed25519` makes one"));
  }
  return key;
}

absl::StatusOr<Publishers> Publishers::Load(const config::v1::ScriptApprovals& config) {
  Publishers loaded;
  for (const config::v1::ScriptPublisher& publisher : config.publishers()) {
    Publisher& added = loaded.publishers_.emplace_back();
    added.config = publisher;
    for (const std::string& file : publisher.public_keys()) {
      absl::StatusOr<Key> key = ReadKey(file);
      if (!key.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("script_approvals.publishers: ", publisher.id(),
                         ": public_keys: ", key.status().message()));
      }
      added.keys.push_back(*std::move(key));
    }
  }
  return loaded;
}

std::vector<std::string> Publishers::ids() const {
  std::vector<std::string> ids;
  for (const Publisher& publisher : publishers_) ids.push_back(publisher.config.id());
  return ids;
}

absl::StatusOr<CheckedList> Publishers::CheckAt(std::string_view list, std::string_view signature,
                                                absl::Time now, bool is_stored) const {
  if (publishers_.empty()) {
    return absl::FailedPreconditionError(
        "the collector's configuration names no publishers (script_approvals.publishers)");
  }
  if (list.size() > kListBytesMax) {
    return Bad("list", absl::StrCat(list.size(), " bytes, at most ", kListBytesMax));
  }
  if (signature.size() != kSignatureBytes) {
    return Bad("signature",
               absl::StrCat(signature.size(), " bytes, expected ", kSignatureBytes,
                            ": what `openssl pkeyutl -sign -rawin` writes with an Ed25519 key"));
  }
  std::vector<const Publisher*> signers;
  for (const Publisher& publisher : publishers_) {
    for (const Key& key : publisher.keys) {
      if (!Verifies(key.get(), list, signature)) continue;
      signers.push_back(&publisher);
      break;
    }
  }
  if (signers.empty()) {
    return Bad("signature", absl::StrCat("by none of the publishers' keys (",
                                         absl::StrJoin(ids(), ", "), "), or of other bytes"));
  }
  // Several may share a key.
  const std::string named = PublisherOf(list);
  const Publisher* signer = signers.front();
  for (const Publisher* one : signers) {
    if (one->config.id() == named) signer = one;
  }
  return ListReader(signer->config, now, is_stored).Read(list);
}

absl::StatusOr<CheckedList> Publishers::Check(std::string_view list, std::string_view signature,
                                              absl::Time now) const {
  return CheckAt(list, signature, now, /*is_stored=*/false);
}

absl::StatusOr<CheckedList> Publishers::CheckStored(std::string_view list,
                                                    std::string_view signature,
                                                    absl::Time now) const {
  return CheckAt(list, signature, now, /*is_stored=*/true);
}

}  // namespace skimwatch::publisher
