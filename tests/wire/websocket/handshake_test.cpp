// SPDX-License-Identifier: Apache-2.0
// The gate by tables: one good handshake, and what each single change makes of it.
#include "proxy/wire/websocket/handshake.h"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using limpet::wire::accept_key;
using limpet::wire::Framing;
using limpet::wire::opens_websocket;
using limpet::wire::RequestHead;
using limpet::wire::ResponseHead;
using limpet::wire::upgrade_request;
using limpet::wire::UpgradeRequest;

namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";         // RFC 6455 §1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // its answer there

using Field = std::pair<std::string, std::string>;
using FieldList = std::vector<Field>;

const FieldList kAsk = {{"Host", "example.com"},
                        {"Upgrade", "websocket"},
                        {"Connection", "Upgrade"},
                        {"Sec-WebSocket-Key", std::string(kKey)},
                        {"Sec-WebSocket-Version", "13"}};
const FieldList kAnswer = {
    {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", std::string(kAccept)}};

FieldList without(FieldList list, std::string_view name) {
  std::erase_if(list, [&](const Field& field) { return field.first == name; });
  return list;
}

FieldList with(FieldList list, std::string name, std::string value) {
  list.emplace_back(std::move(name), std::move(value));
  return list;
}

FieldList set(const FieldList& list, const std::string& name, const std::string& value) {
  return with(without(list, name), name, value);
}

RequestHead ask(const FieldList& list) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  for (const auto& [name, value] : list) head.fields.add(name, value);
  return head;
}

ResponseHead answer(const FieldList& list, unsigned status = 101) {
  ResponseHead head;
  head.status = status;
  for (const auto& [name, value] : list) head.fields.add(name, value);
  return head;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(websocket_handshake)

BOOST_AUTO_TEST_CASE(the_fields_decide_what_is_asked_for) {
  const struct {
    const char* name;
    FieldList fields;
    UpgradeRequest expected;
  } rows[] = {
      {"as it should be", kAsk, UpgradeRequest::WebSocket},
      {"other case", set(set(kAsk, "Upgrade", "WebSocket"), "Connection", "UPGRADE"), UpgradeRequest::WebSocket},
      {"Firefox's Connection", set(kAsk, "Connection", "keep-alive, Upgrade"), UpgradeRequest::WebSocket},
      {"two Connection fields", with(set(kAsk, "Connection", "keep-alive"), "Connection", "upgrade"),
       UpgradeRequest::WebSocket},
      {"another key", set(kAsk, "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), UpgradeRequest::WebSocket},

      {"no Upgrade", without(kAsk, "Upgrade"), UpgradeRequest::None},
      {"no Connection", without(kAsk, "Connection"), UpgradeRequest::None},
      {"Connection without the token", set(kAsk, "Connection", "keep-alive, upgrades"), UpgradeRequest::None},
      {"h2c", set(kAsk, "Upgrade", "h2c"), UpgradeRequest::None},
      {"a choice", set(kAsk, "Upgrade", "websocket, h2c"), UpgradeRequest::None},
      {"a protocol version", set(kAsk, "Upgrade", "websocket/13"), UpgradeRequest::None},
      {"two Upgrade fields", with(kAsk, "Upgrade", "websocket"), UpgradeRequest::None},
      {"an empty Upgrade", set(kAsk, "Upgrade", ""), UpgradeRequest::None},

      {"version 8", set(kAsk, "Sec-WebSocket-Version", "8"), UpgradeRequest::BadVersion},
      {"version 013", set(kAsk, "Sec-WebSocket-Version", "013"), UpgradeRequest::BadVersion},
      {"versions 13, 8", set(kAsk, "Sec-WebSocket-Version", "13, 8"), UpgradeRequest::BadVersion},
      {"no version", without(kAsk, "Sec-WebSocket-Version"), UpgradeRequest::BadVersion},
      {"no version and no key", without(without(kAsk, "Sec-WebSocket-Version"), "Sec-WebSocket-Key"),
       UpgradeRequest::BadVersion},

      {"the version twice", with(kAsk, "Sec-WebSocket-Version", "13"), UpgradeRequest::Malformed},
      {"no key", without(kAsk, "Sec-WebSocket-Key"), UpgradeRequest::Malformed},
      {"the key twice", with(kAsk, "Sec-WebSocket-Key", std::string(kKey)), UpgradeRequest::Malformed},
      {"an empty key", set(kAsk, "Sec-WebSocket-Key", ""), UpgradeRequest::Malformed},
      {"a key of 15 bytes", set(kAsk, "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAA"), UpgradeRequest::Malformed},
      {"a key of 17 bytes", set(kAsk, "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA="), UpgradeRequest::Malformed},
      {"a key of 18 bytes", set(kAsk, "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA"), UpgradeRequest::Malformed},
      {"a key without padding", set(kAsk, "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA"), UpgradeRequest::Malformed},
      {"a key with a space", set(kAsk, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ =="), UpgradeRequest::Malformed},
      {"a URL-safe key", set(kAsk, "Sec-WebSocket-Key", "-_AAAAAAAAAAAAAAAAAAAA=="), UpgradeRequest::Malformed},
  };
  for (const auto& row : rows) BOOST_TEST((upgrade_request(ask(row.fields)) == row.expected), row.name);
}

BOOST_AUTO_TEST_CASE(method_version_and_body_decide_too) {
  const struct {
    const char* name;
    std::function<void(RequestHead&)> change;
    UpgradeRequest expected;
  } rows[] = {
      {"POST", [](RequestHead& head) { head.method = "POST"; }, UpgradeRequest::None},
      {"lower case method", [](RequestHead& head) { head.method = "get"; }, UpgradeRequest::None},
      {"HTTP/1.0", [](RequestHead& head) { head.http11 = false; }, UpgradeRequest::None},
      {"chunked body", [](RequestHead& head) { head.framing = Framing::Chunked; }, UpgradeRequest::Malformed},
      {"body",
       [](RequestHead& head) {
         head.framing = Framing::Length;
         head.length = 1;
       },
       UpgradeRequest::Malformed},
      {"body of no bytes", [](RequestHead& head) { head.framing = Framing::Length; }, UpgradeRequest::WebSocket},
  };
  for (const auto& row : rows) {
    RequestHead head = ask(kAsk);
    row.change(head);
    BOOST_TEST((upgrade_request(head) == row.expected), row.name);
  }
}

BOOST_AUTO_TEST_CASE(a_body_is_malformed_whatever_the_version) {
  RequestHead head = ask(set(kAsk, "Sec-WebSocket-Version", "8"));
  head.framing = Framing::Chunked;
  BOOST_TEST((upgrade_request(head) == UpgradeRequest::Malformed));
}

BOOST_AUTO_TEST_CASE(the_accept_key_is_that_of_the_specification) {
  BOOST_TEST(accept_key(kKey) == kAccept);
}

BOOST_AUTO_TEST_CASE(only_a_right_101_opens) {
  const struct {
    const char* name;
    ResponseHead head;
    bool opens;
  } rows[] = {
      {"as it should be", answer(kAnswer), true},
      {"other case", answer(set(set(kAnswer, "Upgrade", "WebSocket"), "Connection", "keep-alive, upgrade")), true},
      {"more fields", answer(with(kAnswer, "Sec-WebSocket-Protocol", "chat")), true},
      {"200", answer(kAnswer, 200), false},
      {"100", answer(kAnswer, 100), false},
      {"no Upgrade", answer(without(kAnswer, "Upgrade")), false},
      {"another Upgrade", answer(set(kAnswer, "Upgrade", "h2c")), false},
      {"two Upgrades", answer(with(kAnswer, "Upgrade", "h2c")), false},
      {"no Connection", answer(without(kAnswer, "Connection")), false},
      {"Connection: close", answer(set(kAnswer, "Connection", "close")), false},
      {"no accept", answer(without(kAnswer, "Sec-WebSocket-Accept")), false},
      {"the accept twice", answer(with(kAnswer, "Sec-WebSocket-Accept", std::string(kAccept))), false},
      {"the key as accept", answer(set(kAnswer, "Sec-WebSocket-Accept", std::string(kKey))), false},
      {"the accept in other case", answer(set(kAnswer, "Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=")), false},
      {"more than the accept", answer(set(kAnswer, "Sec-WebSocket-Accept", std::string(kAccept) + "=")), false},
  };
  for (const auto& row : rows) BOOST_TEST(opens_websocket(row.head, kKey) == row.opens, row.name);
  BOOST_TEST(!opens_websocket(answer(kAnswer), "AAAAAAAAAAAAAAAAAAAAAA=="));
}

BOOST_AUTO_TEST_SUITE_END()
