#ifndef SKIMWATCH_AGENT_TRAFFIC_REGISTERED_DOMAIN_H_
#define SKIMWATCH_AGENT_TRAFFIC_REGISTERED_DOMAIN_H_

#include <memory>
#include <string>
#include <string_view>

// libpsl's type, so that its headers stay in the sources.
struct psl_ctx_st;

namespace skimwatch::traffic {

// Finds the part of a name that somebody has registered (`example.co.uk` of `a.b.example.co.uk`),
// by the public suffix list that the system has, else by the one in libpsl. Thread-safe.
class RegisteredDomains {
 public:
  RegisteredDomains();
  ~RegisteredDomains();
  RegisteredDomains(const RegisteredDomains&) = delete;
  RegisteredDomains& operator=(const RegisteredDomains&) = delete;

  // In lower case. The whole name where it is no more than a public suffix.
  std::string Of(std::string_view name) const;

  // Whether the name ends in a top-level domain that there is, so that it can be anybody's: not
  // `db.internal`, `shop.test` or `localhost`.
  bool IsPublic(std::string_view name) const;

 private:
  const psl_ctx_st* List() const;

  struct Deleter {
    void operator()(psl_ctx_st* list) const;
  };
  std::unique_ptr<psl_ctx_st, Deleter> list_;
};

}  // namespace skimwatch::traffic

#endif  // SKIMWATCH_AGENT_TRAFFIC_REGISTERED_DOMAIN_H_
