// SPDX-License-Identifier: Apache-2.0
// The harness judged before it judges: a drain through the FaultRelay, which does everything right, satisfies every
// checker; and each fault that the relay plants in the real traffic is found by the checker that is there for it.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/drain_run.h"
#include "tests/e2e/fault_relay.h"
#include "tests/e2e/judge.h"

namespace limpet::e2e {
namespace {

DrainPlan small_plan() {
  DrainPlan plan;
  plan.websockets = 160;
  plan.mixed = false;
  plan.over = 2;
  plan.before = 1.5;
  plan.after = 1;
  plan.rest = 1;
  plan.traffic = {0.3, 0.3, 0.1, 0.002};
  return plan;
}

EventLog play(Fault fault, DrainPlan plan = small_plan()) {
  allow_many_descriptors();
  DrainRun run(plan);
  std::vector<std::uint16_t> ports;
  for (const auto& backend : run.backends()) ports.push_back(backend->port());
  FaultRelay relay(run.loop(), ports, fault);
  Middle middle;
  middle.port = relay.port();
  middle.drain = [&](const std::string&, double over) { relay.drain(0, over); };
  middle.drained = [&](const std::string&) { return fault != Fault::None || relay.drained(0); };
  return run.play(middle);
}

void is_found(Fault fault, Checker checker, DrainPlan plan = small_plan()) {
  const auto found = checker(play(fault, plan));
  BOOST_TEST(!found.empty(), "the fault in the traffic was not found");
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 3); ++i) BOOST_TEST_MESSAGE(found[i]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_drain_that_is_done_right_satisfies_every_checker) {
  const EventLog log = play(Fault::None);
  BOOST_TEST(ends_per_second(log) >= kPaceFloor);
  kept(kPromisesToAll, log);
  kept(kPromisesToWebSockets, log);
}

BOOST_AUTO_TEST_CASE(a_close_in_mid_frame_is_found) {
  is_found(Fault::CloseInMidFrame, closes_are_clean);
}

BOOST_AUTO_TEST_CASE(a_close_in_mid_message_is_found) {
  is_found(Fault::CloseInMidMessage, nothing_is_torn);
}

BOOST_AUTO_TEST_CASE(a_torn_frame_is_found) {
  is_found(Fault::TornFrame, nothing_is_torn);
}

BOOST_AUTO_TEST_CASE(a_lost_last_message_is_found) {
  is_found(Fault::LastMessageLost, client_messages_arrive);
}

BOOST_AUTO_TEST_CASE(a_message_that_comes_twice_is_found) {
  DrainPlan plan = small_plan();
  plan.deflate = false;  // with a window it cannot even be inflated, which another checker finds
  plan.traffic.fragmented = 0;
  is_found(Fault::MessageTwice, backend_messages_arrive, plan);
}

BOOST_AUTO_TEST_CASE(a_message_that_comes_twice_within_deflate_is_found) {
  is_found(Fault::MessageTwice, nothing_is_torn);
}

BOOST_AUTO_TEST_CASE(a_reset_instead_of_a_fin_is_found) {
  is_found(Fault::ResetInsteadOfFin, closes_are_clean);
}

BOOST_AUTO_TEST_CASE(a_burst_is_found) {
  DrainPlan plan = small_plan();
  plan.websockets = 300;
  plan.over = 4;  // so that the burst is four seconds' worth
  is_found(Fault::Burst, ends_are_paced, plan);
}

BOOST_AUTO_TEST_CASE(a_key_that_is_split_is_found) {
  is_found(Fault::KeySplit, keys_stay_together);
}

BOOST_AUTO_TEST_CASE(a_way_back_to_the_drained_backend_is_found) {
  is_found(Fault::BackToTheDrained, returns_avoid_the_drained);
}

BOOST_AUTO_TEST_CASE(a_farewell_to_an_untouched_session_is_found) {
  is_found(Fault::UntouchedClosed, others_notice_nothing);
}

}  // namespace limpet::e2e
