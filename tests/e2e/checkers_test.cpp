// SPDX-License-Identifier: Apache-2.0
// Each checker is shown a run that went well and then the same run with one planted fault, which it must find. The run:
// two WebSockets, a stream and a poll of key 1 on the drained backend "b1", and a WebSocket of key 2 on "b2".
#include "tests/e2e/checkers.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>

namespace limpet::e2e {
namespace {

class Run {
 public:
  Run() {
    log.drained = "b1";
    log.drain_began = 10;
    log.over = 10;
    log.ended = 40;
    log.last_event = 6;
    for (const std::uint32_t client : {1U, 2U}) websocket_that_moves(client, 12);
    stream_that_moves();
    poll(11, "b1");
    poll(13, "b2");
    untouched = open(2, 9, 1, "b2", false);
    talk(untouched, 2, 39, 38);
    leave(untouched);
  }

  std::uint32_t open(std::uint32_t key, std::uint32_t client, double time, const std::string& backend, bool returned) {
    const auto id = log.connect({key, client, Protocol::WebSocket, returned});
    log.add(time, Kind::Asked, id);
    log.add(time + 0.01, Kind::Answered, id, 101, backend);
    return id;
  }

  void talk(std::uint32_t id, double from, double to, int count) {
    for (int i = 0; i < count; ++i) {
      const double time = from + (to - from) * i / count;
      log.add(time, Kind::Sent, id, i);
      log.add(time, Kind::BackendReceived, id, i);
      log.add(time, Kind::BackendSent, id, i);
      log.add(time, Kind::Received, id, i);
    }
  }

  void websocket_that_moves(std::uint32_t client, double turn) {
    const auto id = open(1, client, 1, "b1", false);
    talk(id, 2, turn, 10);
    log.add(turn, Kind::CloseReceived, id, 1012, "", -1);
    log.add(turn + 0.01, Kind::Sent, id, 10);
    log.add(turn + 0.02, Kind::BackendReceived, id, 10);
    log.add(turn + 0.02, Kind::CloseSent, id, 1012);
    log.add(turn + 0.03, Kind::BackendClose, id, 1012);
    log.add(turn + 0.04, Kind::Fin, id);
    moved = id;
    returned = open(1, client, turn + 0.3, "b2", true);
    talk(returned, turn + 1, 39, 20);
    leave(returned);
  }

  void leave(std::uint32_t id) {
    log.add(41, Kind::CloseSent, id, 1000);
    log.add(41.1, Kind::BackendClose, id, 1000);
    log.add(41.2, Kind::CloseReceived, id, 1000, "", -1);
    log.add(41.3, Kind::Fin, id);
  }

  void stream_that_moves() {
    stream = log.connect({1, 5, Protocol::Sse, false});
    log.add(1, Kind::Asked, stream);
    log.add(1.1, Kind::Answered, stream, 200, "b1");
    for (int id = 1; id <= 3; ++id) log.add(id * 3, Kind::Received, stream, id);
    log.add(12.3, Kind::StreamEnded, stream, 2000);
    const auto next = log.connect({1, 5, Protocol::Sse, true});
    log.add(14.3, Kind::Asked, next);
    log.add(14.4, Kind::Answered, next, 200, "b2");
    for (int id = 4; id <= 6; ++id) log.add(id * 6 + 2, Kind::Received, next, id);
  }

  void poll(double time, const std::string& backend) {
    last_poll = log.connect({1, 6, Protocol::Request, false});
    log.add(time, Kind::Asked, last_poll);
    log.add(time + 0.5, Kind::Answered, last_poll, 200, backend);
    log.add(time + 0.5, Kind::Completed, last_poll);
  }

  Event& find(Kind kind, std::uint32_t connection) {
    return *std::find_if(log.events.begin(), log.events.end(),
                         [&](const Event& e) { return e.kind == kind && e.connection == connection; });
  }
  Event& find_last(Kind kind, std::uint32_t connection) {
    return *std::find_if(log.events.rbegin(), log.events.rend(),
                         [&](const Event& e) { return e.kind == kind && e.connection == connection; });
  }
  void lose(Kind kind, std::uint32_t connection) {
    log.events.erase(log.events.begin() + (&find_last(kind, connection) - log.events.data()));
  }

  EventLog log;
  std::uint32_t moved = 0, returned = 0, stream = 0, last_poll = 0, untouched = 0;
};

using Checker = Violations (*)(const EventLog&);
using Plant = std::function<void(Run&)>;

void finds(Checker checker, const Plant& plant) {
  Run good;
  const auto none = checker(good.log);
  BOOST_TEST(none.empty(), "the good run: " << (none.empty() ? "" : none.front()));
  Run bad;
  plant(bad);
  std::stable_sort(bad.log.events.begin(), bad.log.events.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  const auto found = checker(bad.log);
  BOOST_TEST(!found.empty(), "the planted fault was not found");
  for (const auto& what : found) BOOST_TEST_MESSAGE(what);
}

// A drain of `count` sessions, each with a key of its own, whose ends come at `time_of`.
EventLog drain_of(int count, const std::function<double(int)>& time_of) {
  EventLog log;
  log.drained = "b1";
  log.drain_began = 10;
  log.over = 10;
  for (int i = 0; i < count; ++i) {
    const auto id =
        log.connect({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i), Protocol::WebSocket, false});
    log.add(1, Kind::Answered, id, 101, "b1");
    log.add(time_of(i), Kind::CloseReceived, id, 1012, "", -1);
  }
  return log;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(a_close_that_is_not_clean_is_found)

BOOST_AUTO_TEST_CASE(no_close_at_all) {
  finds(closes_are_clean, [](Run& run) { run.lose(Kind::CloseReceived, run.moved); });
}
BOOST_AUTO_TEST_CASE(another_code) {
  finds(closes_are_clean, [](Run& run) { run.find(Kind::CloseReceived, run.moved).number = 1006; });
}
BOOST_AUTO_TEST_CASE(two_closes) {
  finds(closes_are_clean, [](Run& run) { run.log.add(12.01, Kind::CloseReceived, run.moved, 1012, "", -1); });
}
BOOST_AUTO_TEST_CASE(a_reset_instead_of_a_fin) {
  finds(closes_are_clean, [](Run& run) { run.find(Kind::Fin, run.moved).kind = Kind::Reset; });
}
BOOST_AUTO_TEST_CASE(no_fin) {
  finds(closes_are_clean, [](Run& run) { run.lose(Kind::Fin, run.moved); });
}
BOOST_AUTO_TEST_CASE(a_session_that_was_left_behind) {
  finds(closes_are_clean, [](Run& run) { run.open(7, 70, 2, "b1", false); });
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(what_is_torn_is_found)

BOOST_AUTO_TEST_CASE(a_torn_frame) {
  finds(nothing_is_torn, [](Run& run) { run.log.add(11, Kind::Broken, run.moved, 0, "RSV2 or RSV3 is set"); });
}
BOOST_AUTO_TEST_CASE(a_close_in_the_middle_of_a_fresh_message) {
  finds(nothing_is_torn, [](Run& run) { run.find(Kind::CloseReceived, run.moved).seconds = 0.1; });
}
BOOST_AUTO_TEST_CASE(a_message_after_the_close) {
  finds(nothing_is_torn, [](Run& run) { run.log.add(12.01, Kind::Received, run.moved, 10); });
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(a_message_that_went_astray_is_found)

BOOST_AUTO_TEST_CASE(the_last_message_before_the_clients_close) {
  finds(client_messages_arrive, [](Run& run) { run.lose(Kind::BackendReceived, run.moved); });
}
BOOST_AUTO_TEST_CASE(a_message_that_came_twice_at_the_backend) {
  finds(client_messages_arrive, [](Run& run) { run.log.add(11.99, Kind::BackendReceived, run.moved, 9); });
}
BOOST_AUTO_TEST_CASE(the_clients_close) {
  finds(client_messages_arrive, [](Run& run) { run.lose(Kind::BackendClose, run.moved); });
}
BOOST_AUTO_TEST_CASE(a_close_of_another_code_at_the_backend) {
  finds(client_messages_arrive, [](Run& run) { run.find(Kind::BackendClose, run.moved).number = 1001; });
}
BOOST_AUTO_TEST_CASE(a_duplicate_sequence_number_at_the_client) {
  finds(backend_messages_arrive, [](Run& run) { run.log.add(11.99, Kind::Received, run.moved, 9); });
}
BOOST_AUTO_TEST_CASE(a_gap_at_the_client) {
  finds(backend_messages_arrive, [](Run& run) { run.find(Kind::Received, run.untouched).number = 1; });
}
BOOST_AUTO_TEST_CASE(a_lost_message_of_an_untouched_session) {
  finds(backend_messages_arrive, [](Run& run) { run.lose(Kind::Received, run.untouched); });
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(a_bad_pace_is_found)

BOOST_AUTO_TEST_CASE(an_even_pace_passes) {
  const auto log = drain_of(400, [](int i) { return 10 + i * 0.025; });
  BOOST_TEST(ends_per_second(log) == 40);
  BOOST_TEST(ends_are_paced(log).empty());
}
BOOST_AUTO_TEST_CASE(a_burst_fails) {
  BOOST_TEST(!ends_are_paced(drain_of(400, [](int i) { return 10 + i * 0.001; })).empty());
}
BOOST_AUTO_TEST_CASE(a_burst_across_two_seconds_of_the_clock_fails) {
  const auto time_of = [](int i) { return i < 300 ? 10 + i * 0.03 : 14.6 + (i - 300) * 0.008; };
  BOOST_TEST(!ends_are_paced(drain_of(400, time_of)).empty());
}
BOOST_AUTO_TEST_CASE(ends_that_come_too_late_fail) {
  BOOST_TEST(!ends_are_paced(drain_of(400, [](int i) { return 10 + i * 0.05; })).empty());
}
BOOST_AUTO_TEST_CASE(a_mean_below_the_floor_is_not_judged) {
  BOOST_TEST(ends_are_paced(drain_of(190, [](int) { return 12.0; })).empty());
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(a_session_elsewhere_that_noticed_is_found)

BOOST_AUTO_TEST_CASE(an_untouched_session_that_was_closed) {
  finds(others_notice_nothing, [](Run& run) { run.log.add(15, Kind::CloseReceived, run.untouched, 1012, "", -1); });
}
BOOST_AUTO_TEST_CASE(an_untouched_session_that_was_reset) {
  finds(others_notice_nothing, [](Run& run) { run.log.add(15, Kind::Reset, run.untouched); });
}
BOOST_AUTO_TEST_CASE(an_untouched_session_that_fell_silent) {
  finds(others_notice_nothing, [](Run& run) {
    auto& events = run.log.events;
    events.erase(std::remove_if(events.begin(), events.end(),
                                [&](const Event& e) {
                                  return e.connection == run.untouched && e.kind == Kind::Received && e.time > 20;
                                }),
                 events.end());
  });
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(a_key_that_went_astray_is_found)

BOOST_AUTO_TEST_CASE(a_client_that_came_back_to_the_drained_backend) {
  finds(returns_avoid_the_drained, [](Run& run) { run.find(Kind::Answered, run.returned).text = "b1"; });
}
BOOST_AUTO_TEST_CASE(a_client_that_came_back_to_a_503) {
  finds(returns_avoid_the_drained, [](Run& run) { run.find(Kind::Answered, run.returned).number = 503; });
}
BOOST_AUTO_TEST_CASE(a_client_that_came_back_to_silence) {
  finds(returns_avoid_the_drained, [](Run& run) { run.lose(Kind::Answered, run.returned); });
}
BOOST_AUTO_TEST_CASE(a_key_split_in_two_after_the_drain) {
  finds(keys_stay_together, [](Run& run) { run.find(Kind::Answered, run.returned).text = "b3"; });
}
BOOST_AUTO_TEST_CASE(a_key_split_in_two_before_the_drain) {
  finds(keys_stay_together, [](Run& run) { run.open(1, 71, 3, "b2", false); });
}
BOOST_AUTO_TEST_CASE(a_key_split_in_two_that_no_drain_concerns) {
  finds(keys_stay_together, [](Run& run) { run.open(2, 72, 3, "b3", false); });
}
BOOST_AUTO_TEST_CASE(sessions_of_a_key_that_left_apart) {
  finds(keys_stay_together, [](Run& run) { run.find(Kind::StreamEnded, run.stream).time = 14; });
}
BOOST_AUTO_TEST_CASE(a_poll_that_met_the_drained_backend_after_its_turn) {
  finds(keys_stay_together, [](Run& run) { run.poll(16, "b1"); });
}

BOOST_AUTO_TEST_SUITE_END()
BOOST_AUTO_TEST_SUITE(an_event_or_request_that_went_astray_is_found)

BOOST_AUTO_TEST_CASE(an_event_that_came_twice) {
  finds(events_come_once, [](Run& run) { run.log.add(12, Kind::Received, run.stream, 3); });
}
BOOST_AUTO_TEST_CASE(an_event_that_never_came) {
  finds(events_come_once, [](Run& run) { run.lose(Kind::Received, run.stream); });
}
BOOST_AUTO_TEST_CASE(a_stream_that_stopped_early) {
  finds(events_come_once, [](Run& run) { run.log.last_event = 7; });
}
BOOST_AUTO_TEST_CASE(a_poll_that_was_cut) {
  finds(requests_are_answered, [](Run& run) { run.lose(Kind::Completed, run.last_poll); });
}
BOOST_AUTO_TEST_CASE(a_poll_that_was_not_answered) {
  finds(requests_are_answered, [](Run& run) {
    run.lose(Kind::Completed, run.last_poll);
    run.lose(Kind::Answered, run.last_poll);
  });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::e2e
