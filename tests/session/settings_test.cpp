// SPDX-License-Identifier: Apache-2.0
// Settings are compared by value: a reload finds out by it what has not changed.
#include "proxy/session/settings.h"

#include <boost/test/unit_test.hpp>

namespace limpet::session {

namespace {

// True where `change` makes a difference, and only then.
template <typename T, typename F>
bool tells(F&& change) {
  const T before;
  T after;
  const bool was_equal = before == after;
  change(after);
  return was_equal && before != after;
}

net::Address address(const char* text) {
  return net::Address::parse(text).value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(settings)

BOOST_AUTO_TEST_CASE(settings_that_say_the_same_are_equal_and_any_change_shows) {
  BOOST_TEST(tells<PoolSettings>([](auto& pool) { pool.linger = milliseconds(1); }));
  BOOST_TEST(tells<PoolSettings>([](auto& pool) { pool.keys.push_back({}); }));
  BOOST_TEST(tells<PoolSettings>([](auto& pool) { pool.cookie.secure = SessionCookie::Secure::Never; }));
  BOOST_TEST(tells<PoolSettings>([](auto& pool) { pool.health.rise = 7; }));
  BOOST_TEST(tells<PoolSettings>([](auto& pool) { pool.backends.push_back({"a", {}, 1}); }));
  BOOST_TEST(tells<RouteSettings>([](auto& route) { route.websocket.drain_code = 1001; }));
  BOOST_TEST(tells<RouteSettings>([](auto& route) { route.sse.retry = milliseconds(1); }));
  BOOST_TEST(tells<RouteSettings>([](auto& route) { route.long_poll.always = true; }));
  BOOST_TEST(tells<RouteSettings>([](auto& route) { route.http.max_body = 1; }));
  BOOST_TEST(tells<ListenerSettings>([](auto& listener) { listener.limits.sessions = 1; }));
  BOOST_TEST(tells<ListenerSettings>(
      [](auto& listener) { listener.trusted_proxies.push_back(net::Cidr::parse("10.0.0.0/8").value()); }));
  BOOST_TEST(tells<ListenerSettings>([](auto& listener) { listener.addresses.push_back(address("127.0.0.1:80")); }));
  BOOST_TEST(tells<ProxySettings>([](auto& proxy) { proxy.io = ProxySettings::Io::Uring; }));
  BOOST_TEST(tells<AdminSettings>([](auto& admin) { admin.token = "t"; }));
  BOOST_TEST(tells<LogSettings>([](auto& log) { log.json = true; }));
}

BOOST_AUTO_TEST_CASE(addresses_and_blocks_are_compared_by_value) {
  BOOST_TEST((address("127.0.0.1:80") == address("127.0.0.1:80")));
  BOOST_TEST((address("127.0.0.1:80") != address("127.0.0.1:81")));
  BOOST_TEST((address("unix:/a") != address("unix:/b")));
  BOOST_TEST((net::Cidr::parse("10.0.0.0/8") == net::Cidr::parse("10.0.0.0/8")));
  BOOST_TEST((net::Cidr::parse("10.0.0.0/8") != net::Cidr::parse("10.0.0.0/9")));
  const BackendSettings one{"a", address("127.0.0.1:80"), 1};
  BackendSettings other = one;
  BOOST_TEST((one == other));
  other.address = address("127.0.0.1:81");
  BOOST_TEST((one != other));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
