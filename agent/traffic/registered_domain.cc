#include "agent/traffic/registered_domain.h"

#include <libpsl.h>

#include "absl/strings/ascii.h"

namespace skimwatch::traffic {

void RegisteredDomains::Deleter::operator()(psl_ctx_st* list) const { psl_free(list); }

RegisteredDomains::RegisteredDomains() : list_(psl_latest(nullptr)) {}

RegisteredDomains::~RegisteredDomains() = default;

const psl_ctx_st* RegisteredDomains::List() const {
  return list_ == nullptr ? psl_builtin() : list_.get();
}

bool RegisteredDomains::IsPublic(std::string_view name) const {
  const psl_ctx_st* list = List();
  const size_t dot = name.rfind('.');
  if (list == nullptr || dot == std::string_view::npos) return list == nullptr;
  std::string top(name.substr(dot + 1));
  absl::AsciiStrToLower(&top);
  return psl_is_public_suffix2(list, top.c_str(), PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) != 0;
}

std::string RegisteredDomains::Of(std::string_view name) const {
  std::string lower(name);
  absl::AsciiStrToLower(&lower);
  const psl_ctx_st* list = List();
  const char* domain = list == nullptr ? nullptr : psl_registrable_domain(list, lower.c_str());
  return domain == nullptr ? lower : std::string(domain);
}

}  // namespace skimwatch::traffic
