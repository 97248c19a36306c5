// SPDX-License-Identifier: Apache-2.0
// A worker's table of listeners: which ids are given, held and freed.
#include "proxy/session/listener.h"

#include <boost/test/unit_test.hpp>

namespace limpet::session {

namespace {

std::shared_ptr<const Listener> listener(const char* name) {
  auto made = std::make_shared<Listener>();
  made->settings.name = name;
  return made;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(listener_table)

BOOST_AUTO_TEST_CASE(listeners_get_ids_in_the_order_in_which_they_come) {
  ListenerTable table;
  BOOST_TEST(table.add(listener("a")) == 0U);
  BOOST_TEST(table.add(listener("b")) == 1U);
  BOOST_TEST(table[1].settings.name == "b");
}

BOOST_AUTO_TEST_CASE(a_retired_listener_stays_until_its_last_session_has_ended) {
  ListenerTable table;
  const auto a = listener("a");
  const ListenerId id = table.add(a);
  table.hold(id);
  table.hold(id);
  table.retire(id);
  table.let_go(id);
  BOOST_TEST(table[id].settings.name == "a");
  BOOST_TEST(table.add(listener("b")) != id);
  table.let_go(id);
  BOOST_TEST(a.use_count() == 1);
  BOOST_TEST(table.add(listener("c")) == id);
}

BOOST_AUTO_TEST_CASE(an_id_that_nobody_holds_is_free_at_once_and_one_in_use_never) {
  ListenerTable table;
  const ListenerId a = table.add(listener("a"));
  table.hold(a);
  table.let_go(a);
  BOOST_TEST(table[a].settings.name == "a");  // it still accepts
  table.retire(a);
  BOOST_TEST(table.add(listener("b")) == a);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
