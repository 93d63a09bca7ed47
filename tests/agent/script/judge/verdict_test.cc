#include "agent/script/judge/verdict.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace skimwatch::script {
namespace {

struct Case {
  const char* what;
  v1::ScriptChange::Change change;
  std::vector<std::string> had;
  std::vector<std::string> gained;
  v1::Severity severity;
};

TEST(Verdict, GradesByWhatAChangeGained) {
  const Case cases[] = {
      {"proposal of a skimmer is still a proposal",
       v1::ScriptChange::CHANGE_PROPOSED,
       {"card_field_name", "network_sink"},
       {},
       v1::SEVERITY_INFO},
      {"back to approved bytes",
       v1::ScriptChange::CHANGE_RESTORED,
       {"network_sink"},
       {},
       v1::SEVERITY_INFO},
      {"gone", v1::ScriptChange::CHANGE_REMOVED, {}, {}, v1::SEVERITY_LOW},
      {"changed, nothing gained", v1::ScriptChange::CHANGE_CHANGED, {}, {}, v1::SEVERITY_HIGH},
      {"checkout code, nothing gained",
       v1::ScriptChange::CHANGE_CHANGED,
       {"card_field_name", "network_sink", "luhn_routine"},
       {},
       v1::SEVERITY_HIGH},
      {"gained fields and a sink",
       v1::ScriptChange::CHANGE_CHANGED,
       {},
       {"card_field_name", "network_sink"},
       v1::SEVERITY_CRITICAL},
      {"a chat script gained card patterns",
       v1::ScriptChange::CHANGE_CHANGED,
       {"network_sink"},
       {"card_number_pattern"},
       v1::SEVERITY_CRITICAL},
      {"validation gained a pattern and can't send",
       v1::ScriptChange::CHANGE_CHANGED,
       {},
       {"card_number_pattern"},
       v1::SEVERITY_HIGH},
      {"checkout code gained a request to its own host",
       v1::ScriptChange::CHANGE_CHANGED,
       {"card_field_name"},
       {"network_sink"},
       v1::SEVERITY_HIGH},
      {"checkout code gained a request to another host",
       v1::ScriptChange::CHANGE_CHANGED,
       {"card_field_name"},
       {"network_sink", "external_host"},
       v1::SEVERITY_CRITICAL},
      {"checkout code gained an encoded request",
       v1::ScriptChange::CHANGE_CHANGED,
       {"luhn_routine"},
       {"network_sink", "exfil_encoding"},
       v1::SEVERITY_CRITICAL},
      {"analytics gained a request",
       v1::ScriptChange::CHANGE_CHANGED,
       {"network_sink"},
       {"network_sink", "external_host"},
       v1::SEVERITY_HIGH},
      {"new, knows nothing", v1::ScriptChange::CHANGE_ADDED, {}, {}, v1::SEVERITY_MEDIUM},
      {"new, sends", v1::ScriptChange::CHANGE_ADDED, {"network_sink"}, {}, v1::SEVERITY_MEDIUM},
      {"new, knows cards", v1::ScriptChange::CHANGE_ADDED, {"luhn_routine"}, {}, v1::SEVERITY_HIGH},
      {"new, hides", v1::ScriptChange::CHANGE_ADDED, {"obfuscation"}, {}, v1::SEVERITY_HIGH},
      {"new reference to a host that is known",
       v1::ScriptChange::CHANGE_ADDED,
       {"external_host", "no_integrity"},
       {},
       v1::SEVERITY_MEDIUM},
      {"new reference to another host",
       v1::ScriptChange::CHANGE_ADDED,
       {"external_host", "unknown_host"},
       {},
       v1::SEVERITY_HIGH},
      {"new, knows cards and sends",
       v1::ScriptChange::CHANGE_ADDED,
       {"card_number", "network_sink"},
       {},
       v1::SEVERITY_CRITICAL},
  };
  for (const Case& c : cases) {
    v1::ScriptChange change;
    change.set_change(c.change);
    for (const std::string& name : c.had) change.add_facts()->set_name(name);
    for (const std::string& name : c.gained) {
      change.add_facts()->set_name(name);
      change.add_gained_facts()->set_name(name);
    }
    EXPECT_EQ(Verdict(change), c.severity) << c.what;
  }
}

}  // namespace
}  // namespace skimwatch::script
