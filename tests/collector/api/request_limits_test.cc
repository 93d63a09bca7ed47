#include "collector/api/request_limits.h"

#include <functional>
#include <memory>
#include <string>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "skimwatch/v1/decision_service.pb.h"
#include "skimwatch/v1/query_service.pb.h"

namespace skimwatch::api {
namespace {

TEST(CheckRequest, HasALimitForEveryFieldOfEveryRequest) {
  for (const google::protobuf::FileDescriptor* const file :
       {v1::ListExposuresRequest::descriptor()->file(),
        v1::ApproveScriptRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto* const type = file->service(i)->method(j)->input_type();
        // Each field alone, so that no earlier one ends the check.
        for (int k = 0; k < type->field_count(); ++k) {
          const std::unique_ptr<google::protobuf::Message> request(
              google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
          EXPECT_NE(CheckRequest(*request).code(), absl::StatusCode::kInternal)
              << type->field(k)->full_name();
        }
      }
    }
  }
}

template <typename Request>
std::string ErrorOf(const std::function<void(Request&)>& change) {
  Request request;
  change(request);
  const absl::Status status = CheckRequest(request);
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(CheckRequest, TakesTheDefaults) {
  EXPECT_EQ(CheckRequest(v1::ListExposuresRequest()), absl::OkStatus());
  EXPECT_EQ(CheckRequest(v1::ListFindingsRequest()), absl::OkStatus());
  EXPECT_EQ(CheckRequest(v1::WatchFindingsRequest()), absl::OkStatus());
  EXPECT_EQ(CheckRequest(v1::ListScriptsRequest()), absl::OkStatus());
  EXPECT_EQ(CheckRequest(v1::ListAgentsRequest()), absl::OkStatus());
  EXPECT_EQ(CheckRequest(v1::GetFingerprintKeysRequest()), absl::OkStatus());
}

TEST(CheckRequest, BoundsPages) {
  using Request = v1::ListExposuresRequest;
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_page_size(1000); }), "");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_page_size(1001); }),
            "page_size: expected at most 1000");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_page_token(std::string(1025, 'a')); }),
            "page_token: expected 0 to 1024 bytes");
}

TEST(CheckRequest, BoundsTexts) {
  using Request = v1::ListFindingsRequest;
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_site(std::string(64, 'a')); }),
            "site: expected 0 to 63 bytes");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_agent(std::string(1025, 'a')); }),
            "agent: expected 0 to 1024 bytes");
}

TEST(CheckRequest, RefusesUnknownEnumsAndTimes) {
  using Request = v1::ListFindingsRequest;
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.set_kind(static_cast<v1::FindingKind>(99)); }),
            "kind: expected a known FindingKind");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.mutable_since()->set_nanos(-1); }),
            "since: expected a time from year 1 to 9999");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.mutable_until()->set_seconds(INT64_MAX); }),
            "until: expected a time from year 1 to 9999");
}

TEST(CheckRequest, BoundsFingerprints) {
  using Request = v1::CheckCardRequest;
  EXPECT_EQ(ErrorOf<Request>([](Request&) {}), "fingerprints: expected 1 to 16");
  EXPECT_EQ(ErrorOf<Request>([](Request& r) { r.add_fingerprints(std::string(31, 'f')); }),
            "fingerprints: expected 32 bytes");
  const auto fill = [](int count) {
    return [count](Request& r) {
      for (int i = 0; i < count; ++i) r.add_fingerprints(std::string(32, 'f'));
    };
  };
  EXPECT_EQ(ErrorOf<Request>(fill(16)), "");
  EXPECT_EQ(ErrorOf<Request>(fill(17)), "fingerprints: expected 1 to 16");
}

TEST(CheckRequest, WantsADecisionToSayWhatAndWhy) {
  using Request = v1::ApproveScriptRequest;
  Request good;
  good.set_site("shop");
  good.set_name("js/chat.js");
  good.set_sha256(std::string(32, 'h'));
  good.set_justification("the chat");
  EXPECT_EQ(CheckRequest(good), absl::OkStatus());
  const auto but = [&](const std::function<void(Request&)>& change) {
    return ErrorOf<Request>([&](Request& r) {
      r = good;
      change(r);
    });
  };
  EXPECT_EQ(but([](Request& r) { r.clear_site(); }), "site: expected 1 to 63 bytes");
  EXPECT_EQ(but([](Request& r) { r.clear_name(); }), "name: expected 1 to 4096 bytes");
  EXPECT_EQ(but([](Request& r) { r.set_sha256("short"); }), "sha256: expected 32 bytes");
  EXPECT_EQ(but([](Request& r) { r.clear_justification(); }),
            "justification: expected 1 to 4096 bytes");
  EXPECT_EQ(but([](Request& r) { r.set_justification(" \t\n"); }),
            "justification: expected more than blanks");
  EXPECT_EQ(but([](Request& r) { r.set_justification("for 4111-1111-1111-1111 only"); }),
            "justification: expected no card number in it");
  EXPECT_EQ(but([](Request& r) { r.set_justification(std::string(4097, 'a')); }),
            "justification: expected 1 to 4096 bytes");
}

TEST(CheckRequest, TakesNoCardNumberInWhatADecisionKeeps) {
  using Request = v1::ApproveDestinationRequest;
  Request good;
  good.set_site("shop");
  good.set_pattern("example.com");
  good.set_process("/usr/bin/php8.2");
  good.set_justification("the payment provider");
  ASSERT_EQ(CheckRequest(good), absl::OkStatus());
  const auto but = [&](const std::function<void(Request&)>& change) {
    return ErrorOf<Request>([&](Request& r) {
      r = good;
      change(r);
    });
  };
  EXPECT_EQ(but([](Request& r) { r.set_pattern("4111111111111111"); }),
            "pattern: expected no card number in it");
  EXPECT_EQ(but([](Request& r) { r.set_pattern("4111111111111111.example.com"); }),
            "pattern: expected no card number in it");
  EXPECT_EQ(but([](Request& r) { r.set_process("/usr/bin/4111111111111111"); }),
            "process: expected no card number in it");
  EXPECT_EQ(but([](Request& r) { r.set_site("4111111111111111"); }),
            "site: expected no card number in it");
}

TEST(CheckRequest, TakesNoCardNumberForTheNameOfAScript) {
  EXPECT_EQ(ErrorOf<v1::GetScriptRequest>([](v1::GetScriptRequest& r) {
              r.set_site("shop");
              r.set_name("js/4111111111111111.js");
            }),
            "name: expected no card number in it");
}

// It is masked before it is kept (exposure::AddNote).
TEST(CheckRequest, TakesACardNumberInANote) {
  EXPECT_EQ(ErrorOf<v1::AddExposureNoteRequest>([](v1::AddExposureNoteRequest& r) {
              r.set_id(1);
              r.set_text("it was 4111 1111 1111 1111");
            }),
            "");
}

TEST(CheckRequest, LooksUpWhatHoldsDigits) {
  EXPECT_EQ(ErrorOf<v1::ListFindingsRequest>([](v1::ListFindingsRequest& r) {
              r.set_agent("spiffe://example.com/agent/4111111111111111");
              r.set_page_token("4111111111111111");
            }),
            "");
}

TEST(CheckRequest, WantsNoReasonOfWhoAsksWhatAVersionDoes) {
  v1::ApproveScriptRequest approve;
  approve.set_site("shop");
  approve.set_name("js/chat.js");
  approve.set_sha256(std::string(32, 'h'));
  EXPECT_FALSE(CheckRequest(approve).ok());
  approve.set_profile(true);
  EXPECT_EQ(CheckRequest(approve), absl::OkStatus());
  v1::RevokeScriptRequest revoke;
  revoke.set_site("shop");
  revoke.set_name("js/chat.js");
  revoke.set_reason("too wide");
  EXPECT_FALSE(CheckRequest(revoke).ok());
  revoke.set_profile(true);
  EXPECT_EQ(CheckRequest(revoke), absl::OkStatus());
  revoke.clear_reason();
  EXPECT_FALSE(CheckRequest(revoke).ok());
}

TEST(CheckRequest, LooksAtWhatADescriptionGivesOnly) {
  v1::DescribeScriptRequest request;
  request.set_site("shop");
  request.set_name("js/chat.js");
  request.set_owner("");
  EXPECT_EQ(CheckRequest(request), absl::OkStatus());
  request.set_owner("team 4111-1111-1111-1111");
  EXPECT_EQ(CheckRequest(request).message(), "owner: expected no card number in it");
  request.set_owner("team");
  request.set_justification(" ");
  EXPECT_EQ(CheckRequest(request).message(), "justification: expected more than blanks");
  request.clear_justification();
  request.clear_site();
  EXPECT_EQ(CheckRequest(request).message(), "site: expected 1 to 63 bytes");
}

TEST(CheckRequest, WantsAnExposureToHaveAnId) {
  EXPECT_EQ(ErrorOf<v1::GetExposureRequest>([](auto&) {}),
            "id: expected the id of an exposure, "
            "from 1");
}

}  // namespace
}  // namespace skimwatch::api
