#include "agent/traffic/protocol/registered_domain.h"

#include <libpsl.h>

#include "absl/strings/ascii.h"

namespace skimwatch::traffic {

void RegisteredDomains::Deleter::operator()(psl_ctx_st* list) const { psl_free(list); }

RegisteredDomains::RegisteredDomains() : list_(psl_latest(nullptr)) {}

RegisteredDomains::~RegisteredDomains() = default;

std::string RegisteredDomains::Of(std::string_view name) const {
  std::string lower(name);
  absl::AsciiStrToLower(&lower);
  const psl_ctx_st* list = list_ == nullptr ? psl_builtin() : list_.get();
  const char* domain = list == nullptr ? nullptr : psl_registrable_domain(list, lower.c_str());
  return domain == nullptr ? lower : std::string(domain);
}

}  // namespace skimwatch::traffic
