// SPDX-License-Identifier: Apache-2.0
// What is read out of a request to place it: affinity keys from each source, learned ids, the client's address, and
// whether it is a poll.
#include "proxy/session/http/request_key.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace limpet::session {

namespace {

using Kind = KeySource::Kind;

struct Fixture {
  PoolSettings pool;
  wire::RequestHead head;
  net::IpAddress client = net::IpAddress::parse("192.0.2.7").value();

  Fixture() { head.target = "/"; }

  std::string key() { return request_key(pool, head, client).value_or("none"); }
  std::string learned() {
    const auto found = learned_id(pool, head);
    return found ? found->id : "none";
  }
  // Through proxies: the peer's address and X-Forwarded-For.
  std::string behind(const std::string& peer, const std::vector<std::string>& forwarded,
                     const std::vector<std::string>& trusted) {
    wire::RequestHead request;
    for (const auto& line : forwarded) request.fields.add("X-Forwarded-For", line);
    std::vector<net::Cidr> blocks;
    for (const auto& block : trusted) blocks.push_back(net::Cidr::parse(block).value());
    return client_of(request, net::IpAddress::parse(peer).value(), blocks).address.text();
  }
  // From a trusted proxy at 10.0.0.1, among others of 10.0.0.0/8.
  Client told(const std::vector<std::pair<std::string, std::string>>& fields) {
    wire::RequestHead request;
    for (const auto& [name, value] : fields) request.fields.add(name, value);
    return client_of(request, net::IpAddress::parse("10.0.0.1").value(), {net::Cidr::parse("10.0.0.0/8").value()});
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(request_key_test, Fixture)

BOOST_AUTO_TEST_CASE(forwarded_is_believed_as_the_other_fields_are) {
  const struct {
    const char *forwarded, *address;
    bool is_secure;
    const char* hops;
  } rows[] = {
      {"for=203.0.113.8", "203.0.113.8", false, "203.0.113.8, "},
      {"For=\"203.0.113.9:4711\";proto=https", "203.0.113.9", true, "203.0.113.9, "},
      {"for=\"[2001:db8::7]:80\"; Proto=wss", "10.0.0.1", false, ""},  // no blank stands there (RFC 7239 §4)
      {"for=\"[2001:db8::7]:80\";PROTO=wss", "2001:db8::7", true, "2001:db8::7, "},
      {"for=203.0.113.10;proto=https, for=10.1.2.3;proto=http", "203.0.113.10", true, "203.0.113.10, 10.1.2.3, "},
      {"for=6.6.6.6;proto=https,for=203.0.113.11;proto=http", "203.0.113.11", false, "6.6.6.6, 203.0.113.11, "},
      {"for=unknown;proto=https", "10.0.0.1", true, "unknown, "},
      {"for=_hidden", "10.0.0.1", false, "_hidden, "},
      {"proto=https", "10.0.0.1", true, ""},
      {"for=1.2.3.4;by", "10.0.0.1", false, ""},
      {"for=\"1.2.3.4", "10.0.0.1", false, ""},
      {"for=1.2.3.4 x", "10.0.0.1", false, ""},
      {", for=\"1.2.3\\.4\" ,", "1.2.3.4", false, "1.2.3.4, "},
  };
  for (const auto& row : rows) {
    const Client client = told({{"Forwarded", row.forwarded}});
    BOOST_TEST_CONTEXT(row.forwarded) {
      BOOST_TEST(client.address.text() == row.address);
      BOOST_TEST(client.is_secure == row.is_secure);
      BOOST_TEST(client.hops == row.hops);
    }
  }
}

BOOST_AUTO_TEST_CASE(who_says_x_forwarded_for_may_have_passed_on_a_clients_forwarded) {
  const Client client = told({{"Forwarded", "for=6.6.6.6;proto=https"}, {"X-Forwarded-For", "203.0.113.8:80"}});
  BOOST_TEST(client.address.text() == "203.0.113.8");
  BOOST_TEST(!client.is_secure);
  BOOST_TEST(client.hops == "203.0.113.8:80, ");
}

BOOST_AUTO_TEST_CASE(each_source_yields_its_value) {
  head.target = "/rooms/r%201?user=a%2Bb+c&token=x";
  head.fields.add("Cookie", "other=1; sid=\"quoted\"");
  head.fields.add("X-User-Id", "u1");
  head.fields.add("Sec-WebSocket-Protocol", " chat.v2 , chat.v1");
  head.fields.add("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.");
  const std::pair<KeySource, const char*> rows[] = {
      {{Kind::Cookie, "sid", 0}, "quoted"}, {{Kind::Header, "x-user-id", 0}, "u1"},
      {{Kind::Query, "user", 0}, "a+b+c"},  {{Kind::Path, "2", 2}, "r 1"},
      {{Kind::Path, "1", 1}, "rooms"},      {{Kind::Subprotocol, "", 0}, "chat.v2"},
      {{Kind::Jwt, "sub", 0}, "alice"},     {{Kind::ClientIp, "", 0}, "192.0.2.7"},
  };
  for (const auto& [source, expected] : rows) {
    pool.keys = {source};
    BOOST_TEST(key() == expected);
  }
}

BOOST_AUTO_TEST_CASE(a_token_may_come_in_the_query_and_bearer_in_any_case) {
  pool.keys = {{Kind::Jwt, "sub", 0}};
  pool.cookie.enabled = false;
  head.target = "/?access_token=eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.";
  BOOST_TEST(key() == "bob");
  head.fields.add("Authorization", "bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.");
  BOOST_TEST(key() == "alice");
  head.fields.clear();
  head.fields.add("Authorization", "Basic abc");
  BOOST_TEST(key() == "bob");
  head.target = "/?access_token=no.token";
  BOOST_TEST(key() == "none");
}

BOOST_AUTO_TEST_CASE(the_first_source_that_is_present_wins) {
  pool.keys = {{Kind::Header, "X-User-Id", 0}, {Kind::Query, "user", 0}, {Kind::Cookie, "sid", 0}};
  head.fields.add("Cookie", "sid=s");
  BOOST_TEST(key() == "s");
  head.target = "/?user=q";
  BOOST_TEST(key() == "q");
  head.fields.add("X-User-Id", "h");
  BOOST_TEST(key() == "h");
}

BOOST_AUTO_TEST_CASE(an_empty_value_is_not_present) {
  pool.keys = {{Kind::Header, "X-User-Id", 0}, {Kind::Query, "user", 0}, {Kind::Path, "", 1}, {Kind::Cookie, "sid", 0}};
  head.target = "//x?user=";
  head.fields.add("X-User-Id", "");
  head.fields.add("Cookie", "sid=");
  pool.keys[2].segment = 9;
  BOOST_TEST(key() == "none");
}

BOOST_AUTO_TEST_CASE(the_session_cookie_comes_after_the_listed_keys_but_before_the_clients_address) {
  pool.keys = {{Kind::ClientIp, "", 0}, {Kind::Header, "X-User-Id", 0}};
  BOOST_TEST(key() == "192.0.2.7");
  head.fields.add("Cookie", "limpet=0123");
  BOOST_TEST(key() == "0123");
  head.fields.add("X-User-Id", "u");
  BOOST_TEST(key() == "u");
  pool.keys.clear();
  BOOST_TEST(key() == "0123");
  pool.cookie.name = "other";
  BOOST_TEST(key() == "none");
}

BOOST_AUTO_TEST_CASE(a_pool_that_sets_no_cookie_reads_none) {
  pool.cookie.enabled = false;
  head.fields.add("Cookie", "limpet=0123");
  BOOST_TEST(key() == "none");
}

BOOST_AUTO_TEST_CASE(an_ipv4_mapped_client_is_keyed_as_ipv4) {
  pool.keys = {{Kind::ClientIp, "", 0}};
  client = net::IpAddress::parse("::ffff:192.0.2.9").value();
  BOOST_TEST(key() == "192.0.2.9");
}

BOOST_AUTO_TEST_CASE(the_client_is_the_rightmost_hop_that_is_no_trusted_proxy) {
  const std::vector<std::string> trusted = {"10.0.0.0/8"};
  BOOST_TEST(behind("192.0.2.1", {"203.0.113.1"}, {}) == "192.0.2.1");
  BOOST_TEST(behind("192.0.2.1", {"203.0.113.1"}, trusted) == "192.0.2.1");  // forged: the peer is no proxy of ours
  BOOST_TEST(behind("10.0.0.1", {}, trusted) == "10.0.0.1");
  BOOST_TEST(behind("10.0.0.1", {"203.0.113.1"}, trusted) == "203.0.113.1");
  BOOST_TEST(behind("10.0.0.1", {"198.51.100.1, 203.0.113.1, 10.0.0.2"}, trusted) == "203.0.113.1");
  BOOST_TEST(behind("10.0.0.1", {"198.51.100.1", "203.0.113.1", "10.0.0.2"}, trusted) == "203.0.113.1");
  BOOST_TEST(behind("10.0.0.1", {"10.0.0.3, 10.0.0.2"}, trusted) == "10.0.0.3");
  BOOST_TEST(behind("10.0.0.1", {"203.0.113.1, unknown, 10.0.0.2"}, trusted) == "10.0.0.2");
  BOOST_TEST(behind("10.0.0.1", {"203.0.113.1:4711"}, trusted) == "203.0.113.1");
  BOOST_TEST(behind("10.0.0.1", {"[2001:db8::1]:4711"}, trusted) == "2001:db8::1");
  BOOST_TEST(behind("10.0.0.1", {"2001:db8::1"}, trusted) == "2001:db8::1");
  BOOST_TEST(behind("::ffff:10.0.0.1", {"::ffff:203.0.113.1"}, trusted) == "203.0.113.1");
}

BOOST_AUTO_TEST_CASE(a_request_carries_a_learned_id_in_the_places_that_the_pool_names) {
  head.target = "/socket.io/?EIO=4&transport=polling&sid=abc";
  head.fields.add("Mcp-Session-Id", "m1");
  head.fields.add("Cookie", "JSESSIONID=j1");
  BOOST_TEST(learned() == "none");
  pool.learn = {{LearnSource::Kind::EngineIo, ""}};
  BOOST_TEST(learned() == engine_io_id("abc").id);
  BOOST_TEST(learns_engine_io(pool));
  pool.learn = {{LearnSource::Kind::Header, "Mcp-Session-Id"}};
  BOOST_TEST(learned() == "header:Mcp-Session-Id m1");
  BOOST_TEST(!learns_engine_io(pool));
  pool.learn = {{LearnSource::Kind::Cookie, "JSESSIONID"}};
  BOOST_TEST(learned() == "cookie:JSESSIONID j1");
}

BOOST_AUTO_TEST_CASE(the_first_place_that_has_an_id_wins_and_empty_ones_do_not_count) {
  pool.learn = {{LearnSource::Kind::EngineIo, ""}, {LearnSource::Kind::Header, "Mcp-Session-Id"}};
  head.fields.add("Mcp-Session-Id", "m1");
  for (const char* target : {"/", "/?sid=abc", "/?transport=polling", "/?transport=polling&sid="}) {
    head.target = target;
    BOOST_TEST(learned() == "header:Mcp-Session-Id m1");
  }
  head.target = "/?transport=websocket&sid=abc";
  BOOST_TEST(learned() == engine_io_id("abc").id);
}

BOOST_AUTO_TEST_CASE(a_response_hands_out_the_same_id_that_requests_will_carry) {
  pool.learn = {{LearnSource::Kind::EngineIo, ""},
                {LearnSource::Kind::Header, "Mcp-Session-Id"},
                {LearnSource::Kind::Cookie, "JSESSIONID"}};
  wire::ResponseHead response;
  BOOST_TEST(handed_out(pool, response).empty());
  response.fields.add("mcp-session-id", "m1");
  response.fields.add("Set-Cookie", "other=1");
  response.fields.add("Set-Cookie", "JSESSIONID=j1; Path=/; HttpOnly");
  const auto ids = handed_out(pool, response);
  BOOST_TEST_REQUIRE(ids.size() == 2U);
  head.fields.add("Mcp-Session-Id", "m1");
  BOOST_TEST(ids[0].id == learned());
  head.fields.clear();
  head.fields.add("Cookie", "JSESSIONID=j1");
  BOOST_TEST(ids[1].id == learned());
  BOOST_TEST((ids[1].kind == LearnSource::Kind::Cookie));
}

BOOST_AUTO_TEST_CASE(an_empty_id_is_not_handed_out) {
  pool.learn = {{LearnSource::Kind::Header, "Mcp-Session-Id"}, {LearnSource::Kind::Cookie, "JSESSIONID"}};
  wire::ResponseHead response;
  response.fields.add("Mcp-Session-Id", "");
  response.fields.add("Set-Cookie", "JSESSIONID=; Max-Age=0");
  BOOST_TEST(handed_out(pool, response).empty());
}

BOOST_AUTO_TEST_CASE(a_poll_is_known_by_its_transport) {
  const std::pair<const char*, bool> rows[] = {{"/?EIO=4&transport=polling", true}, {"/?transport=polling&sid=x", true},
                                               {"/?transport=websocket", false},    {"/?transport=pollings", false},
                                               {"/transport=polling", false},       {"/", false}};
  for (const auto& [target, expected] : rows) {
    head.target = target;
    BOOST_TEST(is_engine_io_poll(head) == expected, target);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
