// SPDX-License-Identifier: Apache-2.0
// What is written in a batch leaves behind it, in order; what is not taken then is known to the outlet and to the
// stream's handler.
#include "proxy/session/outbox.h"

#include <sys/eventfd.h>

#include <boost/test/unit_test.hpp>
#include <functional>
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
  struct Peer final : net::StreamHandler {
    Peer() { stream->set_handler(this); }
    void on_ready(net::Stream&, bool, bool) override {}
    void on_refused(net::Stream&, IoStatus status) override {
      refused.push_back(status);
      if (then) then();
    }
    Script script;
    std::unique_ptr<net::Stream> stream = script.make_stream();
    Outlet outlet;
    std::vector<IoStatus> refused;
    std::function<void()> then;
  };

  Fixture() {
    worker.loop().watch_descriptor(always_ready.value(), [] {});
  }
  ~Fixture() {
    for (Peer* peer : {&one, &other}) peer->outlet.drop(worker);
    BOOST_TEST(shared.buffered == 0);
  }
  void in_batch(std::function<void()> work) {
    worker.post(std::move(work));
    worker.run_round();
  }
  IoStatus send(Peer& peer, std::string_view bytes) { return peer.outlet.send(worker, *peer.stream, bytes); }

  const Fd always_ready{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
  Peer one;
  Peer other;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(outbox, Fixture)

BOOST_AUTO_TEST_CASE(what_is_written_in_a_batch_leaves_behind_it_and_each_peers_as_one) {
  one.script.most_per_write = 7;  // one write, then
  in_batch([&] {
    BOOST_TEST((send(one, "good") == IoStatus::Ok));
    BOOST_TEST((send(one, "bye") == IoStatus::Ok));
    std::string texts[2] = {"so ", "long"};
    iovec pieces[2] = {{texts[0].data(), texts[0].size()}, {texts[1].data(), texts[1].size()}};
    BOOST_TEST((other.outlet.send(worker, *other.stream, pieces, 2) == IoStatus::Ok));
    BOOST_TEST(one.script.written == "");
    BOOST_TEST(one.outlet.empty());
  });
  BOOST_TEST(one.script.written == "goodbye");
  BOOST_TEST(other.script.written == "so long");
  BOOST_TEST(one.refused.empty());
}

BOOST_AUTO_TEST_CASE(what_is_written_outside_of_a_batch_leaves_at_once) {
  send(one, "hello");
  BOOST_TEST(one.script.written == "hello");
}

// Of two that speak alternately, of one that speaks at length, and of more than the box holds.
BOOST_AUTO_TEST_CASE(the_order_is_kept) {
  std::string said[2];
  in_batch([&] {
    for (std::size_t i = 0; i < 150; ++i) {
      const bool first = i % 3 != 0;
      const std::string text(i % 17 == 0 ? 9000 : 1 + i * 37 % 4096, static_cast<char>('a' + i % 26));
      BOOST_TEST_REQUIRE((send(first ? one : other, text) == IoStatus::Ok));
      said[first ? 0 : 1] += text;
    }
  });
  BOOST_TEST((one.script.written == said[0]));
  BOOST_TEST((other.script.written == said[1]));
}

BOOST_AUTO_TEST_CASE(what_is_not_taken_then_waits_and_the_handler_hears_of_it) {
  for (const std::size_t room : {std::size_t{0}, std::size_t{2}}) {
    one.script.written.clear();
    one.refused.clear();
    one.script.room = room;
    in_batch([&] {
      send(one, "hello");
      send(other, "unharmed");
    });
    BOOST_TEST_REQUIRE(one.refused.size() == 1U);
    BOOST_TEST((one.refused[0] == IoStatus::WouldBlock));
    BOOST_TEST(one.outlet.pending() == 5 - room);
    BOOST_TEST(shared.buffered == static_cast<std::int64_t>(5 - room));
    in_batch([&] { send(one, ", world"); });  // behind it
    BOOST_TEST(one.refused.size() == 1U);
    one.script.room = Script::kAny;
    BOOST_TEST((one.outlet.flush(worker, *one.stream) == IoStatus::Ok));
    BOOST_TEST(one.script.written == "hello, world");
    BOOST_TEST(one.outlet.empty());
  }
  BOOST_TEST(other.script.written == "unharmedunharmed");
}

BOOST_AUTO_TEST_CASE(of_a_connection_that_is_gone_the_handler_hears) {
  one.script.refuses_writes = true;
  in_batch([&] { BOOST_TEST((send(one, "hello") == IoStatus::Ok)); });
  BOOST_TEST_REQUIRE(one.refused.size() == 1U);
  BOOST_TEST((one.refused[0] == IoStatus::Reset));
  BOOST_TEST(one.outlet.empty());
}

BOOST_AUTO_TEST_CASE(nobody_hears_where_there_is_no_handler) {
  one.script.refuses_writes = true;
  one.stream->set_handler(nullptr);
  in_batch([&] { send(one, "hello"); });
  BOOST_TEST(one.refused.empty());
}

BOOST_AUTO_TEST_CASE(sending_what_was_put_off_tells_at_once_what_is_taken) {
  one.script.room = 3;
  in_batch([&] {
    send(one, "hello");
    send(other, "later");
    one.outlet.send_posted(worker);
    BOOST_TEST(one.script.written == "hel");
    BOOST_TEST(one.outlet.pending() == 2U);
    BOOST_TEST(other.script.written == "");
  });
  BOOST_TEST(one.refused.empty());
  BOOST_TEST(other.script.written == "later");
}

BOOST_AUTO_TEST_CASE(what_is_dropped_has_been_sent_as_far_as_it_is_taken) {
  one.script.room = 3;
  in_batch([&] {
    send(one, "hello");
    one.outlet.drop(worker);
    BOOST_TEST(one.outlet.empty());
    BOOST_TEST(shared.buffered == 0);
  });
  BOOST_TEST(one.script.written == "hel");
  BOOST_TEST(one.refused.empty());
}

// As it would be if an outlet moved away from what it has here.
BOOST_AUTO_TEST_CASE(a_parcel_that_its_outlet_does_not_know_of_is_not_sent) {
  std::size_t said = 0;
  IoStatus settled = IoStatus::Ok;
  IoStatus sent = IoStatus::Ok;
  {
    const LogLines log;
    in_batch([&] {
      send(one, "for one");
      std::swap(one.outlet, other.outlet);
      settled = other.outlet.send_posted(worker);
    });
    said = log.count("bytes in the outbox");
    in_batch([&] {
      send(one, "for one");
      std::swap(one.outlet, other.outlet);
      sent = send(other, std::string(5000, 'x'));
    });
  }
  BOOST_TEST((settled == IoStatus::Reset));
  BOOST_TEST((sent == IoStatus::Reset));
  BOOST_TEST(said == 2U);  // of either
  BOOST_TEST(one.script.written == "");
  BOOST_TEST(other.script.written == "");
  BOOST_TEST_REQUIRE(one.refused.size() == 2U);
  BOOST_TEST((one.refused[0] == IoStatus::Reset));
  in_batch([&] { send(other, "goes on"); });
  BOOST_TEST(other.script.written == "goes on");
}

// As a session that ends when its client is gone lets go of its backend.
BOOST_AUTO_TEST_CASE(a_handler_may_add_to_and_drop_what_comes_behind) {
  one.script.refuses_writes = true;
  one.then = [&] {
    send(other, "!");
    other.outlet.drop(worker);
  };
  in_batch([&] {
    send(one, "hello");
    send(other, "goodbye");
  });
  BOOST_TEST(one.refused.size() == 1U);
  BOOST_TEST(other.script.written == "goodbye!");
  in_batch([&] { send(other, "again"); });
  BOOST_TEST(other.script.written == "goodbye!again");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
