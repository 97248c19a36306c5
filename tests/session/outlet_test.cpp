// SPDX-License-Identifier: Apache-2.0
// The way out to a peer that takes what a script lets it take: what is written at once, what is queued, when the peer
// counts as stalled, and that gathered bytes leave with their own connection only.
#include "proxy/session/outlet.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/session/log_lines.h"
#include "tests/session/lone_worker.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

namespace {

using net::IoStatus;

struct Fixture : LoneWorker {
  Script peer;
  std::unique_ptr<net::Stream> stream = peer.make_stream();
  Outlet outlet;

  // A round of the worker later, with the clock moved on.
  void pass(Duration time) {
    clock.advance(time);
    worker.post([] {});
    worker.run_round();
  }
  IoStatus send(std::string_view bytes) { return outlet.send(worker, *stream, bytes); }
  IoStatus send_pieces(std::vector<std::string> texts) {
    std::vector<iovec> pieces;
    for (auto& text : texts) pieces.push_back({text.data(), text.size()});
    return outlet.send(worker, *stream, pieces.data(), static_cast<int>(pieces.size()));
  }
  bool stalled_for(Duration limit) { return outlet.stalled(*stream, worker.now(), limit); }

  ~Fixture() {
    outlet.drop(worker);
    BOOST_TEST(shared.buffered == 0);
    BOOST_TEST(registry.worker(0).buffered_bytes.value() == 0);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(outlet_test, Fixture)

BOOST_AUTO_TEST_CASE(what_the_peer_takes_is_not_queued) {
  BOOST_TEST((send("hello") == IoStatus::Ok));
  BOOST_TEST(peer.written == "hello");
  BOOST_TEST(outlet.empty());
  BOOST_TEST(shared.buffered == 0);
}

BOOST_AUTO_TEST_CASE(only_the_tail_that_the_peer_does_not_take_is_queued_wherever_it_stops) {
  const std::string text = "onetwothree";
  for (std::size_t room = 0; room <= text.size(); ++room) {
    peer.written.clear();
    peer.room = room;
    BOOST_TEST((send_pieces({"one", "two", "three"}) == IoStatus::Ok));
    BOOST_TEST(peer.written == text.substr(0, room));
    BOOST_TEST(outlet.pending() == text.size() - room);
    BOOST_TEST(shared.buffered == static_cast<std::int64_t>(text.size() - room));
    peer.room = Script::kAny;
    BOOST_TEST((outlet.flush(worker, *stream) == IoStatus::Ok));
    BOOST_TEST(peer.written == text);
    BOOST_TEST(outlet.empty());
  }
}

BOOST_AUTO_TEST_CASE(nothing_overtakes_what_waits) {
  peer.room = 2;
  send("first");
  peer.room = Script::kAny;
  send("second");
  BOOST_TEST(peer.written == "fi");
  while (!outlet.empty()) outlet.flush(worker, *stream);
  BOOST_TEST(peer.written == "firstsecond");
}

BOOST_AUTO_TEST_CASE(a_queue_leaves_in_as_many_writes_as_the_peer_wants) {
  peer.room = 0;
  send("slowly");
  peer.room = Script::kAny;
  peer.most_per_write = 1;
  for (std::size_t left = 6; left > 0; --left) {
    BOOST_TEST(outlet.pending() == left);
    outlet.flush(worker, *stream);
  }
  BOOST_TEST(outlet.empty());
  BOOST_TEST((outlet.flush(worker, *stream) == IoStatus::Ok));
}

BOOST_AUTO_TEST_CASE(empty_pieces_and_more_pieces_than_one_call_takes_make_no_difference) {
  std::vector<std::string> texts;
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    texts.push_back(i % 3 == 0 ? "" : std::to_string(i) + ",");
    all += texts.back();
  }
  BOOST_TEST((send_pieces(texts) == IoStatus::Ok));
  BOOST_TEST(peer.written == all);
  peer.written.clear();
  peer.room = 3000;
  BOOST_TEST((send_pieces(texts) == IoStatus::Ok));
  BOOST_TEST(outlet.pending() == all.size() - 3000);
  peer.room = Script::kAny;
  outlet.flush(worker, *stream);
  BOOST_TEST(peer.written == all);
}

BOOST_AUTO_TEST_CASE(a_reset_is_told_and_queues_nothing_more) {
  peer.room = 1;
  send("half");
  peer.refuses_writes = true;
  BOOST_TEST((outlet.flush(worker, *stream) == IoStatus::Reset));
  outlet.drop(worker);
  BOOST_TEST((send("more") == IoStatus::Reset));
  BOOST_TEST(outlet.empty());
}

BOOST_AUTO_TEST_CASE(what_is_held_before_the_connection_is_there_goes_first) {
  outlet.hold(worker, "early ");
  outlet.hold(worker, "");
  BOOST_TEST(shared.buffered == 6);
  send("late");
  BOOST_TEST(peer.written == "");
  outlet.flush(worker, *stream);
  BOOST_TEST(peer.written == "early late");
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_and_acknowledges_nothing_is_stalled_after_the_limit) {
  BOOST_TEST(!stalled_for(seconds(0)));
  peer.room = 1;
  peer.unacknowledged = 100;
  send("waits");
  pass(seconds(60) - milliseconds(1));
  BOOST_TEST(!stalled_for(seconds(60)));
  pass(milliseconds(1));
  BOOST_TEST(stalled_for(seconds(60)));
}

BOOST_AUTO_TEST_CASE(a_peer_that_acknowledges_gets_the_limit_anew) {
  peer.room = 1;
  peer.unacknowledged = 100;
  send("waits");
  pass(seconds(60));
  peer.unacknowledged = 99;
  BOOST_TEST(!stalled_for(seconds(60)));
  pass(seconds(59));
  BOOST_TEST(!stalled_for(seconds(60)));
  pass(seconds(1));
  BOOST_TEST(stalled_for(seconds(60)));
}

BOOST_AUTO_TEST_CASE(taking_some_starts_the_time_anew_and_more_to_send_does_not) {
  peer.room = 1;
  peer.unacknowledged = 5;
  send("waits");
  const Time began = worker.now();
  pass(seconds(30));
  send("more");
  BOOST_TEST((outlet.stalled_since() == began));
  peer.room = 1;
  outlet.flush(worker, *stream);
  BOOST_TEST((outlet.stalled_since() == began + seconds(30)));
  outlet.flush(worker, *stream);  // takes nothing
  pass(seconds(59));
  BOOST_TEST(!stalled_for(seconds(60)));
  pass(seconds(1));
  BOOST_TEST(stalled_for(seconds(60)));
}

BOOST_AUTO_TEST_CASE(gathered_texts_and_views_go_out_in_order_in_one_write) {
  Gather all;
  Gather& gather = all.of(outlet, stream.get());
  BOOST_TEST(gather.empty());
  gather.text() += "head ";
  gather.text() += "more ";
  gather.add("body ");
  gather.add("");
  gather.add("parts ");
  gather.text() += std::string(1000, 't');  // the text moves in memory
  gather.add("!");
  const std::string large(5000, 'L');  // not copied
  gather.add(large);
  gather.text() += std::string(3000, 'u');
  gather.add("?");
  gather.add(large);
  gather.text() += "end";
  BOOST_TEST(!gather.empty());
  BOOST_TEST((gather.send(worker, *stream, outlet) == IoStatus::Ok));
  BOOST_TEST(peer.written == "head more body parts " + std::string(1000, 't') + "!" + large + std::string(3000, 'u') +
                                 "?" + large + "end");
  BOOST_TEST(gather.empty());
  gather.of(outlet, stream.get()).add("again");
  gather.send(worker, *stream, outlet);
  BOOST_TEST(peer.written.ends_with("endagain"));
}

BOOST_AUTO_TEST_CASE(gathered_pieces_may_be_held_for_later) {
  Gather all;
  Gather& gather = all.of(outlet, stream.get());
  gather.text() += "head ";
  gather.add("body");
  const std::string large(5000, 'L');
  gather.add(large);
  gather.hold(worker, outlet);
  BOOST_TEST(gather.empty());
  BOOST_TEST(peer.written == "");
  outlet.flush(worker, *stream);
  BOOST_TEST(peer.written == "head body" + large);
}

// Who has left them is closed, too: nothing of what it has gathered is there any more.
BOOST_AUTO_TEST_CASE(bytes_that_another_has_left_behind_are_not_sent_and_both_are_closed) {
  struct Handler final : net::StreamHandler {
    void on_ready(net::Stream&, bool, bool) override {}
    void on_refused(net::Stream&, IoStatus status) override { refused.push_back(status); }
    std::vector<IoStatus> refused;
  };
  for (const bool as_views : {false, true}) {
    Handler forgetful;
    Script others_peer;
    const auto others_stream = others_peer.make_stream();
    others_stream->set_handler(&forgetful);
    Outlet others;
    Gather gather;
    const std::string secret(as_views ? 5000 : 50, 's');
    gather.of(others, others_stream.get()).add(secret);
    gather.of(outlet, stream.get()).text() += "mine";
    IoStatus status;
    std::size_t said;
    {
      const LogLines log;
      status = gather.send(worker, *stream, outlet);
      said = log.count("bytes of one connection");
    }
    BOOST_TEST((status == IoStatus::Reset));
    BOOST_TEST(said == 1U);
    BOOST_TEST(peer.written == "");
    BOOST_TEST(others_peer.written == "");
    BOOST_TEST(gather.empty());
    BOOST_TEST_REQUIRE(forgetful.refused.size() == 1U);
    BOOST_TEST((forgetful.refused[0] == IoStatus::Reset));
    gather.of(outlet, stream.get()).add("again");
    BOOST_TEST((gather.send(worker, *stream, outlet) == IoStatus::Ok));
    BOOST_TEST(peer.written == "again");
    peer.written.clear();
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_nobody_owns_are_not_sent) {
  Gather gather;
  gather.text() += "whose?";
  {
    const LogLines log;
    gather.send(worker, *stream, outlet);
  }
  BOOST_TEST(peer.written == "");
}

BOOST_AUTO_TEST_CASE(only_its_owner_drops_what_is_gathered) {
  Outlet others;
  Gather gather;
  gather.of(outlet, stream.get()).text() += "mine";
  gather.clear(others);
  BOOST_TEST(!gather.empty());
  gather.clear(outlet);
  BOOST_TEST(gather.empty());
}

BOOST_AUTO_TEST_CASE(sending_nothing_writes_nothing) {
  Gather gather;
  BOOST_TEST((gather.send(worker, *stream, outlet) == IoStatus::Ok));
  BOOST_TEST(peer.written == "");
  BOOST_TEST(outlet.empty());
}

BOOST_AUTO_TEST_CASE(what_is_on_its_way_counts_as_unacknowledged) {
  BOOST_TEST(!outlet.unacknowledged(*stream, worker.now()));
  peer.unacknowledged = 5;
  send("hello");
  BOOST_TEST(outlet.empty());
  BOOST_TEST(outlet.unacknowledged(*stream, worker.now()));
  BOOST_TEST((outlet.empty() && outlet.pending() == 0U));
  peer.unacknowledged = 0;
  BOOST_TEST(!outlet.unacknowledged(*stream, worker.now()));
  peer.room = 0;
  send("waits");
  BOOST_TEST(outlet.unacknowledged(*stream, worker.now()));
}

BOOST_AUTO_TEST_CASE(a_peer_that_acknowledges_nothing_of_what_is_on_its_way_is_stalled) {
  peer.unacknowledged = 500;
  BOOST_TEST_REQUIRE(outlet.unacknowledged(*stream, worker.now()));
  pass(std::chrono::seconds(9));
  BOOST_TEST(!stalled_for(std::chrono::seconds(10)));
  pass(std::chrono::seconds(1));
  peer.unacknowledged = 499;
  BOOST_TEST(!stalled_for(std::chrono::seconds(10)));
  pass(std::chrono::seconds(10));
  BOOST_TEST(stalled_for(std::chrono::seconds(10)));
  peer.unacknowledged = 0;
  BOOST_TEST(!stalled_for(std::chrono::seconds(10)));
}

// What is sent meanwhile is no sign of life, nor does it hide one.
BOOST_AUTO_TEST_CASE(what_is_sent_meanwhile_does_not_count_as_acknowledged) {
  peer.unacknowledged = 500;
  BOOST_TEST_REQUIRE(outlet.unacknowledged(*stream, worker.now()));
  send("one");
  send_pieces({"two", "three"});
  peer.unacknowledged = 511;
  pass(std::chrono::seconds(10));
  BOOST_TEST(stalled_for(std::chrono::seconds(10)));
}

BOOST_AUTO_TEST_CASE(a_peer_that_acknowledges_as_much_as_it_is_sent_is_not_stalled) {
  peer.unacknowledged = 11;
  BOOST_TEST_REQUIRE(outlet.unacknowledged(*stream, worker.now()));
  send("one");
  send_pieces({"two", "three"});
  pass(std::chrono::seconds(10));
  BOOST_TEST(!stalled_for(std::chrono::seconds(10)));
}

BOOST_AUTO_TEST_CASE(bytes_go_out_at_once_while_others_are_on_their_way) {
  peer.unacknowledged = 5;
  BOOST_TEST_REQUIRE(outlet.unacknowledged(*stream, worker.now()));
  send("one");
  send_pieces({"two", "three"});
  BOOST_TEST(peer.written == "onetwothree");
  peer.room = 1;
  send("four");
  BOOST_TEST(outlet.pending() == 3U);
  peer.room = Script::kAny;
  BOOST_TEST((outlet.flush(worker, *stream) == IoStatus::Ok));
  BOOST_TEST(peer.written == "onetwothreefour");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
