// SPDX-License-Identifier: Apache-2.0
// `limpet drain` from order to exit code, and how it shows progress.
#include "proxy/cli/drain_watch.h"

#include "tests/cli/fixture.h"

namespace limpet::cli {

using admin::DrainAction;
using admin::Refusal;
using admin::ScriptedControl;
using admin::Status;

namespace {

// From the first order on chat-1 drains; the Nth look at it finds it drained, with as many sessions cut as the metric
// says.
void drains_within(ScriptedControl& control, int looks, std::uint64_t cut) {
  control.locked([&] {
    control.plan_to_give = {4, 3, 30, {{"shared", 4}}, {{"shared", 4}}, {{"nat", 2}}};
    control.on_drain = [&control, looks, cut](Status& now, const std::string&, const std::string&) {
      now.pools[0].backends[0].state = "draining";
      now.pools[0].backends[0].drain = DrainStatus{4, 4, 0, 0, 30, 60, 0, 30, false, {}};
      control.on_status = [&control, looks, cut, seen = 0](Status& status) mutable {
        if (++seen < looks) return;
        auto& backend = status.pools[0].backends[0];
        backend.state = "drained";
        backend.drain = std::nullopt;
        backend.sessions.clear();
        control.metrics_text =
            "limpet_drain_sessions_cut_total{backend=\"chat-1\",pool=\"chat\"} " + std::to_string(7 + cut) + "\n";
      };
    };
    control.metrics_text = "limpet_drain_sessions_cut_total{backend=\"chat-1\",pool=\"chat\"} 7\n";
    return 0;
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(command_line_drain)

BOOST_AUTO_TEST_CASE(drain_waits_until_the_backend_is_empty) {
  Proxy proxy;
  drains_within(proxy.control, 4, 0);
  const auto ran = proxy.limpet({"drain", "chat-1", "--over", "10s", "--whole-keys"});
  BOOST_TEST(ran.exit == kDone);
  BOOST_TEST(has(ran.out, "draining chat/chat-1: 4 sessions of 3 keys in 30s\n"));
  BOOST_TEST(has(ran.out, "key nat holds 2 sessions"));
  BOOST_TEST(has(ran.out, "4 sessions left by farewell\n"));
  proxy.control.locked([&] {
    BOOST_TEST(proxy.control.drained == "chat/chat-1");
    BOOST_TEST(proxy.control.order_given.over.count() == 10000);
    BOOST_TEST(proxy.control.order_given.whole_keys);
    return 0;
  });
}

BOOST_AUTO_TEST_CASE(drain_exits_2_when_sessions_were_cut_even_in_the_last_moment) {
  Proxy proxy;
  drains_within(proxy.control, 4, 3);
  const auto ran = proxy.limpet({"drain", "chat/chat-1", "--json"});
  BOOST_TEST(ran.exit == kSessionsCut);
  BOOST_TEST(ran.out ==
             R"({"backends":[{"pool":"chat","backend":"chat-1","state":"drained","total":4,"moved":0,"cut":3,)"
             R"("elapsed_s":0.0}]})"
             "\n");
}

BOOST_AUTO_TEST_CASE(drain_that_is_cancelled_meanwhile_is_69) {
  Proxy proxy;
  proxy.control.locked([&] {
    proxy.control.on_drain = [&](Status& now, const std::string&, const std::string&) {
      now.pools[0].backends[0].state = "draining";
      proxy.control.on_status = [seen = 0](Status& status) mutable {
        if (++seen == 3) status.pools[0].backends[0].state = "ready";
      };
    };
    return 0;
  });
  const auto ran = proxy.limpet({"drain", "chat-1"});
  BOOST_TEST(ran.exit == kUnavailable);
  BOOST_TEST(has(ran.out, "chat/chat-1: the drain was cancelled\n"));
}

BOOST_AUTO_TEST_CASE(a_refused_drain_is_69_with_the_reason) {
  Proxy proxy;
  proxy.control.locked([&] {
    proxy.control.refusal = Refusal{409, "it is the last available backend"};
    return 0;
  });
  const auto ran = proxy.limpet({"drain", "chat-1"});
  BOOST_TEST(ran.exit == kUnavailable);
  BOOST_TEST(ran.err == "limpet: it is the last available backend\n");
}

BOOST_AUTO_TEST_CASE(no_wait_returns_at_once_and_dry_run_prints_the_plan) {
  Proxy proxy;
  drains_within(proxy.control, 1000000, 0);
  const auto plan = proxy.limpet({"drain", "chat-1", "--dry-run"});
  BOOST_TEST(plan.exit == kDone);
  BOOST_TEST(has(plan.out, "drain of chat/chat-1 would move 4 sessions of 3 keys in 30s\n"));
  BOOST_TEST(has(plan.out, "  shared   4     4\n"));
  BOOST_TEST(proxy.control.locked([&] { return proxy.control.order_given.dry_run; }));
  BOOST_TEST(has(proxy.limpet({"drain", "chat-1", "--dry-run", "--json"}).out,
                 R"({"backends":[{"pool":"chat","backend":"chat-1","total":4,)"));
  const auto begun = proxy.limpet({"drain", "chat-1", "--no-wait"});
  BOOST_TEST(begun.exit == kDone);
  BOOST_TEST(begun.out.starts_with("draining chat/chat-1"));
}

BOOST_AUTO_TEST_CASE(hands_on_the_drain_reach_the_proxy) {
  Proxy proxy;
  BOOST_TEST(proxy.limpet({"drain", "chat-1", "--pause"}).exit == kDone);
  BOOST_TEST((proxy.control.locked([&] { return proxy.control.action_given; }) == DrainAction::Pause));
  BOOST_TEST(proxy.limpet({"drain", "chat-1", "--resume"}).exit == kDone);
  BOOST_TEST((proxy.control.locked([&] { return proxy.control.action_given; }) == DrainAction::Resume));
  BOOST_TEST(proxy.limpet({"drain", "chat-1", "--hurry"}).exit == kDone);
  BOOST_TEST((proxy.control.locked([&] { return proxy.control.action_given; }) == DrainAction::Hurry));
}

BOOST_AUTO_TEST_CASE(the_bar_shows_count_pace_and_eta_and_fits_the_terminal) {
  DrainView view{{"chat", "chat-1"}, "draining", {1000, 250, 750, 0, 30, 60, 15, 5, false, {}}, 250, ""};
  const auto wide = progress_bar(view, 12, 100, false);
  BOOST_TEST(wide == "chat/chat-1   ███████████████████████░░░░░░░  250 of 1,000 sessions left, 50/s, ETA 5.0s");
  BOOST_TEST(progress_bar(view, 11, 60, false) == "chat/chat-1  250 of 1,000 sessions left, 50/s, ETA 5.0s");
  BOOST_TEST(has(progress_bar(view, 12, 100, true), "\x1b[36m█"));
  view.drain.paused = true;
  view.drain.cut = 2;
  BOOST_TEST(progress_line(view) == "chat/chat-1: 250 of 1,000 sessions left, 50/s, paused, 2 cut");
}

BOOST_AUTO_TEST_CASE(cut_sessions_are_read_from_the_metric_of_that_backend) {
  const std::string text =
      "limpet_drain_sessions_cut_total{backend=\"a\",pool=\"q\"} 9\n"
      "limpet_drain_sessions_cut_total{pool=\"p\",backend=\"a\"} 5\n"
      "limpet_drain_sessions_cut_total{backend=\"x\\\"y\",pool=\"p\"} 4\n";
  BOOST_TEST(sessions_cut(text, {"p", "a"}) == 5U);
  BOOST_TEST(sessions_cut(text, {"q", "a"}) == 9U);
  BOOST_TEST(sessions_cut(text, {"p", "x\"y"}) == 4U);
  BOOST_TEST(sessions_cut(text, {"q", "b"}) == 0U);
  BOOST_TEST(sessions_cut("limpet_drain_sessions_cut_total{", {"q", "b"}) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::cli
