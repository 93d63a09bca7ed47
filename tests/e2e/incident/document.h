#ifndef SKIMWATCH_TESTS_E2E_INCIDENT_DOCUMENT_H_
#define SKIMWATCH_TESTS_E2E_INCIDENT_DOCUMENT_H_

#include "tests/e2e/incident/record.h"

namespace skimwatch::e2e {

// Writes docs/incident-2017.md of what happened and compares it with the one of the repository: a
// failure is added for each line that differs in more than its times. With SKIMWATCH_UPDATE_DOCS=1
// in the environment it takes the other's place instead.
void CompareWithDocument(const IncidentRecord& incident);

}  // namespace skimwatch::e2e

#endif  // SKIMWATCH_TESTS_E2E_INCIDENT_DOCUMENT_H_
