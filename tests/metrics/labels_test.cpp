// SPDX-License-Identifier: Apache-2.0
// The words of the label values are a public interface: they are spelled out here once more, on purpose.
#include "metrics/labels.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace limpet::metrics {

namespace {

template <typename Enum>
std::string words(std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += std::string(name(static_cast<Enum>(i))) + " ";
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(labels)

BOOST_AUTO_TEST_CASE(every_value_has_the_word_of_the_contract) {
  BOOST_TEST(words<Protocol>(kProtocols) == "websocket sse long_poll http mqtt stomp amqp tcp ");
  BOOST_TEST(words<CloseReason>(kCloseReasons) ==
             "client_closed backend_closed drained rebalanced moved cut idle_timeout slow_client protocol_error "
             "connect_failed no_backend reset_by_client reset_by_backend limit shutdown handed_over ");
  BOOST_TEST(words<PickReason>(kPickReasons) == "learned live hash fallback balance ");
  BOOST_TEST(words<RejectReason>(kRejectReasons) ==
             "origin limit rate malformed no_backend no_route too_large slow version draining ");
  BOOST_TEST(words<Direction>(2) == "to_client to_backend ");
  BOOST_TEST(words<Side>(2) == "client backend ");
  BOOST_TEST(words<By>(3) == "client backend limpet ");
  BOOST_TEST(words<HttpVersion>(kHttpVersions) == "1.0 1.1 2 ");
  BOOST_TEST(words<PauseReason>(kPauseReasons) == "descriptors max_sessions memory_budget ");
}

BOOST_AUTO_TEST_CASE(words_stay_with_their_enumerators) {
  BOOST_TEST(name(Protocol::LongPoll) == "long_poll");
  BOOST_TEST(name(Protocol::Tcp) == "tcp");
  BOOST_TEST(name(CloseReason::SlowClient) == "slow_client");
  BOOST_TEST(name(CloseReason::ResetByBackend) == "reset_by_backend");
  BOOST_TEST(name(CloseReason::HandedOver) == "handed_over");
  BOOST_TEST(name(PickReason::Balance) == "balance");
  BOOST_TEST(name(RejectReason::Draining) == "draining");
  BOOST_TEST(name(PauseReason::MemoryBudget) == "memory_budget");
}

BOOST_AUTO_TEST_CASE(close_codes_fall_into_a_closed_set) {
  struct Row {
    std::uint16_t code;
    const char* word;
  };
  for (const Row& row : std::vector<Row>{{0, "none"},
                                         {1, "other"},
                                         {999, "other"},
                                         {1000, "1000"},
                                         {1012, "1012"},
                                         {1015, "1015"},
                                         {1016, "other"},
                                         {2999, "other"},
                                         {3000, "3xxx"},
                                         {3999, "3xxx"},
                                         {4000, "4xxx"},
                                         {4999, "4xxx"},
                                         {5000, "other"},
                                         {65535, "other"}}) {
    BOOST_TEST_CONTEXT("code " << row.code) {
      BOOST_TEST(close_code_name(close_code_index(row.code)) == row.word);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::metrics
