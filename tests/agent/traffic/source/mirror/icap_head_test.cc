#include "agent/traffic/source/mirror/icap_head.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace skimwatch::traffic {
namespace {

using ::testing::HasSubstr;

TEST(IcapHead, ReadsARequestThatSquidSends) {
  const absl::StatusOr<IcapHead> head = ParseIcapHead(
      "REQMOD icap://127.0.0.1:1344/reqmod ICAP/1.0\r\n"
      "Host: 127.0.0.1:1344\r\n"
      "Encapsulated: req-hdr=0, req-body=212\r\n"
      "Preview: 1024\r\n"
      "Allow: 204, trailers\r\n"
      "X-Client-IP: 192.0.2.7\r\n\r\n");
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->method, IcapMethod::kReqmod);
  EXPECT_EQ(head->service, "/reqmod");
  EXPECT_EQ(head->request_head_bytes, 212u);
  EXPECT_EQ(head->response_head_bytes, 0u);
  EXPECT_TRUE(head->has_body);
  EXPECT_TRUE(head->allows_204);
  EXPECT_EQ(head->preview, 1024u);
  EXPECT_EQ(head->client_ip, "192.0.2.7");
  EXPECT_FALSE(head->closes);
}

TEST(IcapHead, ReadsWhereEachSectionEnds) {
  struct Case {
    const char* method;
    const char* encapsulated;
    size_t request_bytes;
    size_t response_bytes;
    bool has_body;
  };
  // RFC 3507, 4.4.1.
  for (const Case& c :
       {Case{"REQMOD", "req-hdr=0, null-body=170", 170, 0, false},
        Case{"RESPMOD", "req-hdr=0, res-hdr=137, res-body=296", 137, 159, true},
        Case{"RESPMOD", "res-hdr=0, res-body=296", 0, 296, true},
        Case{"RESPMOD", "res-body=0", 0, 0, true}, Case{"OPTIONS", "null-body=0", 0, 0, false},
        Case{"OPTIONS", "opt-body=0", 0, 0, true}}) {
    const absl::StatusOr<IcapHead> head =
        ParseIcapHead(std::string(c.method) +
                      " icap://h/x ICAP/1.0\r\nEncapsulated: " + c.encapsulated + "\r\n\r\n");
    ASSERT_TRUE(head.ok()) << c.encapsulated << ": " << head.status();
    EXPECT_EQ(head->request_head_bytes, c.request_bytes) << c.encapsulated;
    EXPECT_EQ(head->response_head_bytes, c.response_bytes) << c.encapsulated;
    EXPECT_EQ(head->has_body, c.has_body) << c.encapsulated;
  }
}

TEST(IcapHead, NamesWhatIsWrong) {
  struct Case {
    const char* head;
    const char* error;
  };
  for (const Case& c : {
           Case{"GET / HTTP/1.1\r\n\r\n", "version"},
           Case{"REQMOD icap://h/x\r\n\r\n", "first line"},
           Case{"REQMOD http://h/x ICAP/1.0\r\n\r\n", "scheme"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\n\r\n", "Encapsulated: missing"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nEncapsulated: res-hdr=0, null-body=9\r\n\r\n",
                "without req-hdr"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nEncapsulated: req-hdr=5, req-body=9\r\n\r\n",
                "begin at 0"},
           Case{"RESPMOD icap://h/x ICAP/1.0\r\nEncapsulated: req-hdr=0, res-hdr=9, res-body=3\r\n"
                "\r\n",
                "grow"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=99999999\r\n\r\n",
                "too large"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nEncapsulated: req-hdr=0\r\n\r\n", "no body"},
           Case{"RESPMOD icap://h/x ICAP/1.0\r\nEncapsulated: a=0, b=1, c=2, d=3\r\n\r\n",
                "more than"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=9\r\n"
                "Encapsulated: req-hdr=0, req-body=9\r\n\r\n",
                "twice"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nPreview: -1\r\n\r\n", "Preview"},
           Case{"REQMOD icap://h/x ICAP/1.0\r\nno colon\r\n\r\n", "colon"},
       }) {
    const absl::Status status = ParseIcapHead(c.head).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.head;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.error)) << c.head;
  }
}

}  // namespace
}  // namespace skimwatch::traffic
