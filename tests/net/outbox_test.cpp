// SPDX-License-Identifier: Apache-2.0
// What is written in a batch leaves behind it, in order, whatever the peer takes and whatever becomes of the stream.
// Real sockets on loopback.
#include "proxy/net/outbox.h"

#include <poll.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/tcp_stream.h"
#include "tests/net/tcp_pair.h"

namespace limpet::net {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Calls `ring` in a turn that follows press().
struct Bell final : StreamHandler {
  explicit Bell(Loop& loop) : pair(connected_pair()), stream(loop, std::move(pair.ours)) {
    stream.set_handler(this);
    stream.watch(true, false);
  }
  void press() { BOOST_TEST_REQUIRE(::send(pair.theirs.value(), "!", 1, 0) == 1); }
  void on_ready(Stream&, bool, bool) override {
    char byte;
    if (stream.read(&byte, 1).status != IoStatus::Ok) return;
    ++rung;
    if (ring) ring();
  }

  TcpPair pair;
  TcpStream stream;
  std::function<void()> ring;
  int rung = 0;
};

// A stream and what its handler has been told.
struct Subject final : StreamHandler {
  explicit Subject(Loop& loop) : pair(connected_pair()) {
    stream = std::make_unique<TcpStream>(loop, std::move(pair.ours));
    stream->set_handler(this);
  }
  void on_ready(Stream&, bool readable, bool writable) override {
    ++calls;
    writable_calls += writable ? 1 : 0;
    if (!readable) return;
    char buffer[4096];
    const IoResult result = stream->read(buffer, sizeof buffer);
    last = result.status;
    if (result.status == IoStatus::Ok) got.append(buffer, result.n);
  }

  TcpPair pair;
  std::unique_ptr<TcpStream> stream;
  std::string got;
  IoStatus last = IoStatus::WouldBlock;
  int calls = 0;
  int writable_calls = 0;
};

IoResult write(Stream& stream, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return stream.write(&piece, 1);
}

void takes(Stream& stream, std::string_view text) {
  const IoResult result = write(stream, text);
  BOOST_TEST((result.status == IoStatus::Ok && result.n == text.size()));
}

// Until the kernel takes no more of it. Returns what it took.
std::string fill(Stream& stream) {
  std::string taken;
  std::mt19937 random(5);
  for (;;) {
    std::string text(100'000, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const IoResult result = write(stream, text);
    if (result.status != IoStatus::Ok) return taken;
    taken.append(text, 0, result.n);
  }
}

std::string at_once(const Fd& peer) {
  char buffer[4096];
  const ssize_t n = ::recv(peer.value(), buffer, sizeof buffer, MSG_DONTWAIT);
  return {buffer, n > 0 ? static_cast<std::size_t>(n) : 0};
}

struct Fixture {
  Fixture() {
    loop.set_tick([this] { return loop.now() + milliseconds(2); });
  }
  // Runs `work` as a part of a batch.
  void in_batch(const std::function<void()>& work) {
    one.ring = work;
    const int before = one.rung + other.rung;
    one.press();
    other.press();
    turn_until([&] { return one.rung + other.rung == before + 2; });
    one.ring = nullptr;
  }
  void turn_until(const std::function<bool()>& done) {
    const auto deadline = steady_clock::now() + seconds(20);
    while (!done()) {
      BOOST_TEST_REQUIRE((steady_clock::now() < deadline));
      loop.run_turn();
    }
  }
  // All that comes at the peer while the loop goes on, to the end or until it is so much.
  std::string hear(const Fd& peer, std::size_t size, int& error) {
    std::string all;
    error = 0;
    turn_until([&] {
      char buffer[60'000];
      const ssize_t n = ::recv(peer.value(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n > 0) all.append(buffer, static_cast<std::size_t>(n));
      if (n < 0 && errno != EAGAIN) error = errno;
      return n == 0 || error != 0 || all.size() >= size;
    });
    return all;
  }
  std::string hear(const Fd& peer, std::size_t size = SIZE_MAX) {
    int error = 0;
    std::string all = hear(peer, size, error);
    BOOST_TEST(error == 0);
    return all;
  }

  Loop loop;
  Bell one{loop};
  Bell other{loop};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(outbox, Fixture)

BOOST_AUTO_TEST_CASE(what_is_written_in_a_batch_leaves_behind_it_and_each_peers_as_one) {
  Subject first(loop);
  Subject second(loop);
  in_batch([&] {
    takes(*first.stream, "good");
    takes(*first.stream, "bye");
    takes(*second.stream, "so long");
    BOOST_TEST(at_once(first.pair.theirs) == "");
    BOOST_TEST(first.stream->has_posted());
  });
  BOOST_TEST(at_once(first.pair.theirs) == "goodbye");
  BOOST_TEST(at_once(second.pair.theirs) == "so long");
  BOOST_TEST(!first.stream->has_posted());
}

BOOST_AUTO_TEST_CASE(what_is_written_outside_of_a_batch_leaves_at_once) {
  Subject subject(loop);
  takes(*subject.stream, "hello");
  BOOST_TEST(at_once(subject.pair.theirs) == "hello");
  one.ring = [&] { takes(*subject.stream, "alone"); };
  one.press();
  turn_until([&] { return one.rung == 1; });
  BOOST_TEST(at_once(subject.pair.theirs) == "alone");
}

// Of two that speak in turns, of one that speaks at length, and of more than the box holds.
BOOST_AUTO_TEST_CASE(the_order_is_kept) {
  Subject first(loop);
  Subject second(loop);
  std::string said[2];
  in_batch([&] {
    for (int i = 0; i < 120; ++i) {
      Subject& who = i % 3 == 0 ? second : first;
      const std::string text(i % 17 == 0 ? 9000 : 1 + i * 37 % 4096, static_cast<char>('a' + i % 26));
      takes(*who.stream, text);
      said[&who == &second ? 1 : 0] += text;
    }
  });
  BOOST_TEST((hear(first.pair.theirs, said[0].size()) == said[0]));
  BOOST_TEST((hear(second.pair.theirs, said[1].size()) == said[1]));
}

BOOST_AUTO_TEST_CASE(what_the_kernel_does_not_take_goes_before_all_that_follows) {
  Subject subject(loop);
  std::string said = fill(*subject.stream);
  in_batch([&] {
    takes(*subject.stream, "and this");
    said += "and this";
  });
  BOOST_TEST(subject.stream->unacknowledged() >= 8U);
  BOOST_TEST((write(*subject.stream, "not yet").status == IoStatus::WouldBlock));
  in_batch([&] { BOOST_TEST((write(*subject.stream, "nor so").status == IoStatus::WouldBlock)); });
  BOOST_TEST(subject.calls == 0);  // nothing is asked for
  subject.stream->watch(false, true);
  loop.run_turn();
  BOOST_TEST(subject.writable_calls == 0);
  BOOST_TEST((hear(subject.pair.theirs, said.size()) == said));
  turn_until([&] { return subject.writable_calls > 0; });
  takes(*subject.stream, "now");
  BOOST_TEST(hear(subject.pair.theirs, 3) == "now");
}

BOOST_AUTO_TEST_CASE(one_that_asks_for_nothing_is_not_called_for_what_is_left) {
  Subject subject(loop);
  std::string said = fill(*subject.stream);
  in_batch([&] { takes(*subject.stream, "the rest"); });
  said += "the rest";
  BOOST_TEST((hear(subject.pair.theirs, said.size()) == said));
  BOOST_TEST(subject.calls == 0);
  BOOST_TEST_REQUIRE(::send(subject.pair.theirs.value(), "x", 1, 0) == 1);
  loop.run_turn();
  BOOST_TEST(subject.calls == 0);
  subject.stream->watch(true, false);
  turn_until([&] { return subject.got == "x"; });
}

BOOST_AUTO_TEST_CASE(the_fin_follows_what_was_written) {
  for (const bool full : {false, true}) {
    for (const bool in_the_batch : {false, true}) {
      Subject subject(loop);
      std::string said = full ? fill(*subject.stream) : "";
      in_batch([&] {
        takes(*subject.stream, "goodbye");
        if (in_the_batch) subject.stream->shut_write();
      });
      if (!in_the_batch) subject.stream->shut_write();
      said += "goodbye";
      BOOST_TEST((hear(subject.pair.theirs) == said));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_was_written_arrives_though_the_stream_is_gone) {
  const auto stragglers = [&] { return loop.poller().outbox().unfinished(); };
  for (const bool full : {false, true}) {
    for (const bool in_the_batch : {false, true}) {
      Subject subject(loop);
      std::string said = full ? fill(*subject.stream) : "";
      in_batch([&] {
        takes(*subject.stream, "goodbye");
        if (in_the_batch) subject.stream.reset();
      });
      subject.stream.reset();
      said += "goodbye";
      BOOST_TEST(stragglers() == (full ? 1U : 0U));
      BOOST_TEST((hear(subject.pair.theirs) == said));
      BOOST_TEST(stragglers() == 0U);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_straggler_ends_with_its_peer_or_with_the_loop) {
  Subject subject(loop);
  fill(*subject.stream);
  in_batch([&] { takes(*subject.stream, "never read"); });
  subject.stream.reset();
  BOOST_TEST(loop.poller().outbox().unfinished() == 1U);
  subject.pair.theirs.reset();
  turn_until([&] { return loop.poller().outbox().unfinished() == 0; });

  auto mortal = std::make_unique<Loop>();
  Bell a(*mortal);
  Bell b(*mortal);
  Subject last(*mortal);
  fill(*last.stream);
  a.ring = [&] { takes(*last.stream, "never read"); };
  a.press();
  b.press();
  while (a.rung + b.rung < 2) mortal->run_turn();
  last.stream.reset();
  BOOST_TEST(mortal->poller().outbox().unfinished() == 1U);
}

BOOST_AUTO_TEST_CASE(a_reset_goes_out_at_once_whatever_waits) {
  Subject subject(loop);
  fill(*subject.stream);
  in_batch([&] { takes(*subject.stream, "never sent"); });
  subject.stream->close_with_reset();
  subject.stream.reset();
  BOOST_TEST(loop.poller().outbox().unfinished() == 0U);
  int error = 0;  // without reading: that would make room
  socklen_t size = sizeof error;
  ::getsockopt(subject.pair.theirs.value(), SOL_SOCKET, SO_ERROR, &error, &size);
  BOOST_TEST(error == ECONNRESET);
}

// The peer's last words first, and then that it is gone.
BOOST_AUTO_TEST_CASE(a_failure_is_told_by_what_comes_next) {
  for (const bool spoke : {false, true}) {
    for (const bool watched : {false, true}) {
      Subject subject(loop);
      const linger now{1, 0};
      ::setsockopt(subject.pair.theirs.value(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
      if (spoke) BOOST_TEST_REQUIRE(::send(subject.pair.theirs.value(), "last words", 10, 0) == 10);
      in_batch([&] {
        if (watched) subject.stream->watch(true, false);
        subject.pair.theirs.reset();
        takes(*subject.stream, "too late");
      });
      BOOST_TEST((write(*subject.stream, "x").status == IoStatus::Reset));
      subject.stream->watch(true, false);
      turn_until([&] { return subject.last == IoStatus::Reset; });
      BOOST_TEST(subject.got == (spoke ? "last words" : ""));
    }
  }
}

// Every byte there and back, over streams that speak at once, pause and are cut short.
BOOST_AUTO_TEST_CASE(all_bytes_come_and_go_in_order_whatever_their_sizes) {
  struct Echo final : StreamHandler {
    Echo(Loop& loop, unsigned seed) : pair(connected_pair()), stream(loop, std::move(pair.ours)), random(seed) {
      stream.set_handler(this);
      stream.watch(true, false);
    }
    void on_ready(Stream&, bool readable, bool writable) override {
      if (writable) put();
      if (readable && waiting.empty()) {
        char buffer[3000];
        const IoResult got = stream.read(buffer, 1 + random() % sizeof buffer);
        ended = ended || got.status == IoStatus::Eof;
        if (got.status == IoStatus::Ok) waiting.append(buffer, got.n);
        put();
      }
      if (ended && waiting.empty() && !std::exchange(shut, true)) stream.shut_write();
      stream.watch(!ended && waiting.empty(), !waiting.empty());
    }
    void put() {  // in two pieces, as a head and a body
      while (!waiting.empty()) {
        const std::size_t half = waiting.size() / 2;
        const iovec pieces[2] = {{waiting.data(), half}, {waiting.data() + half, waiting.size() - half}};
        const IoResult sent = stream.write(pieces, 2);
        if (sent.status != IoStatus::Ok) return;
        waiting.erase(0, sent.n);
      }
    }
    TcpPair pair;
    TcpStream stream;
    std::mt19937 random;
    std::string waiting;
    bool ended = false;
    bool shut = false;
  };

  constexpr std::size_t kStreams = 8;
  constexpr std::size_t kBytes = 600'000;
  std::vector<std::unique_ptr<Echo>> echoes;
  std::vector<std::string> said(kStreams);
  std::vector<std::string> heard(kStreams);
  std::vector<std::thread> peers;
  for (unsigned i = 0; i < kStreams; ++i) {
    std::mt19937 random(i);
    for (std::size_t k = 0; k < kBytes; ++k) said[i] += static_cast<char>(random());
    echoes.push_back(std::make_unique<Echo>(loop, i));
    const int peer = echoes.back()->pair.theirs.value();
    const int little = 4096;  // so that the kernel takes little at a time
    ::setsockopt(echoes.back()->stream.descriptor(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    peers.emplace_back([&, i, peer] {
      std::mt19937 chance(i + 100);
      for (std::size_t at = 0; at < kBytes;) {
        const auto piece = std::string_view(said[i]).substr(at, 1 + chance() % 5000);
        const ssize_t n = ::send(peer, piece.data(), piece.size(), MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<std::size_t>(n);
      }
      ::shutdown(peer, SHUT_WR);
    });
    peers.emplace_back([&, i, peer] {
      char buffer[2000];
      for (ssize_t n; (n = ::recv(peer, buffer, sizeof buffer, 0)) > 0;) {
        heard[i].append(buffer, static_cast<std::size_t>(n));
        if (heard[i].size() % 7 == 0) std::this_thread::yield();
      }
    });
  }
  const auto fins = [&] {
    std::size_t come = 0;
    for (const auto& echo : echoes) {
      pollfd end{echo->pair.theirs.value(), POLLRDHUP, 0};
      come += ::poll(&end, 1, 0) == 1 ? 1 : 0;
    }
    return come;
  };
  const auto deadline = steady_clock::now() + seconds(60);
  while (fins() < kStreams && steady_clock::now() < deadline) loop.run_turn();
  BOOST_TEST(fins() == kStreams);
  for (auto& echo : echoes)
    ::shutdown(echo->pair.theirs.value(), SHUT_RDWR);  // where it did not, nobody waits for ever
  for (std::thread& peer : peers) peer.join();
  for (std::size_t i = 0; i < kStreams; ++i) BOOST_TEST((heard[i] == said[i]));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
