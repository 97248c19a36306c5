// SPDX-License-Identifier: Apache-2.0
// Streams over io_uring on real TCP sockets: what is promised of a Stream holds although its bytes travel otherwise.
#include "proxy/net/ring_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "proxy/net/loop.h"
#include "proxy/net/transport.h"
#include "tests/net/tcp_pair.h"
#include "tests/net/unix_pair.h"

namespace limpet::net {

namespace {

// A loop that waits in io_uring, and what makes its streams. Throws where the kernel does not have what it takes.
class RingLoop : public Loop {
 public:
  explicit RingLoop(Io io) : Loop(nullptr, std::move(io.waiter)), transport_(std::move(io.transport)) {}
  RingLoop() : RingLoop(opened()) {}
  std::unique_ptr<Stream> open(Fd fd, const Address& peer) { return transport_->open(*this, std::move(fd), peer); }

 private:
  static Io opened() {
    std::string why;
    Io io = ring_io(why);
    if (io.waiter == nullptr) throw std::runtime_error(why);
    return io;
  }

  const std::unique_ptr<Transport> transport_;
};

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Sends back what it gets; what the peer does not take waits, and meanwhile nothing more is read.
struct Echo final : StreamHandler {
  Echo(RingLoop& loop, Fd fd) : stream(loop.open(std::move(fd), Address())) {
    stream->set_handler(this);
    stream->watch(true, false);
  }
  void on_ready(Stream&, bool readable, bool writable) override {
    ++calls;
    if (writable) put();
    if (readable) {
      char buffer[64 * 1024];
      const IoResult got = stream->read(buffer, sizeof buffer);
      last = got.status;
      if (got.status == IoStatus::Ok) {
        seen += got.n;
        waiting.append(buffer, got.n);
        put();
      }
    }
    eof = eof || last == IoStatus::Eof || last == IoStatus::Reset;
    watch();
  }
  void watch() { stream->watch(!eof && !paused && waiting.empty(), !waiting.empty()); }
  void put() {
    if (waiting.empty()) return;
    const iovec piece{waiting.data(), waiting.size()};
    const IoResult sent = stream->write(&piece, 1);
    if (sent.status == IoStatus::Ok) waiting.erase(0, sent.n);
    if (sent.status == IoStatus::Reset) waiting.clear();
  }

  std::unique_ptr<Stream> stream;
  std::string waiting;
  IoStatus last = IoStatus::WouldBlock;
  std::size_t seen = 0;
  int calls = 0;
  bool paused = false;
  bool eof = false;
};

// Takes all that comes.
struct Reader final : StreamHandler {
  Reader(Stream& stream, std::string& got) : got(got) { stream.set_handler(this); }
  void on_ready(Stream& stream, bool, bool) override {
    char buffer[64 * 1024];
    const IoResult result = stream.read(buffer, sizeof buffer);
    last = result.status;
    if (result.status == IoStatus::Ok) got.append(buffer, result.n);
  }
  std::string& got;
  IoStatus last = IoStatus::WouldBlock;
};

struct Fixture {
  Fixture() {
    loop.set_tick([this] { return loop.now() + milliseconds(2); });
  }
  void run_until(const std::function<bool()>& done) {
    const auto deadline = steady_clock::now() + seconds(20);
    while (!done()) {
      BOOST_TEST_REQUIRE((steady_clock::now() < deadline));
      loop.run_round();
    }
  }
  void run_rounds(int n) {
    for (int i = 0; i < n; ++i) loop.run_round();
  }
  void write(Stream& stream, std::string_view text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    const IoResult result = stream.write(&piece, 1);
    BOOST_TEST((result.status == IoStatus::Ok && result.n == text.size()));
  }
  // Sooner or later: a first one may be taken before the kernel says no.
  void write_fails(Stream& stream) {
    run_until([&] {
      const iovec piece{const_cast<char*>("x"), 1};
      return stream.write(&piece, 1).status == IoStatus::Reset;
    });
  }

  RingLoop loop;
};

std::string receive_to_end(int fd, int& error) {
  std::string all;
  char buffer[4096];
  ssize_t n;
  while ((n = ::recv(fd, buffer, sizeof buffer, 0)) > 0) all.append(buffer, static_cast<std::size_t>(n));
  error = n < 0 ? errno : 0;
  return all;
}

void send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string sample(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// The proxy does without where the kernel does, and so does this suite.
boost::test_tools::assertion_result kernel_has_it(boost::unit_test::test_unit_id) {
  std::string why;
  ring_io(why);
  boost::test_tools::assertion_result result(why.empty());
  result.message() << why;
  return result;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(ring_stream, Fixture, *boost::unit_test::precondition(kernel_has_it))

BOOST_AUTO_TEST_CASE(all_bytes_come_and_go_in_order_whatever_their_sizes_and_whoever_pauses) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    TcpPair pair = connected_pair();
    const int peer = pair.theirs.value();
    Echo echo(loop, std::move(pair.ours));
    const std::string text = sample(3'000'000, seed);
    std::thread sender([&] {
      std::mt19937 random(seed);
      const bool bulk = seed % 3 == 0;
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t most = bulk || random() % 50 == 0 ? 200'000 : 1 + random() % 3000;
        const auto piece = std::string_view(text).substr(at, most);
        send_all(peer, piece);
        at += piece.size();
        if (random() % 40 == 0) std::this_thread::yield();
      }
      ::shutdown(peer, SHUT_WR);
    });
    std::string back;
    std::thread receiver([&] {
      char buffer[30'000];
      while (back.size() < text.size()) {
        const ssize_t n = ::recv(peer, buffer, sizeof buffer, 0);
        if (n <= 0) return;
        back.append(buffer, static_cast<std::size_t>(n));
      }
    });
    std::mt19937 random(seed + 100);
    run_until([&] {
      if (random() % 16 == 0) {
        echo.paused = !echo.paused;
        echo.watch();
      }
      if (echo.seen == text.size() && echo.paused) {
        echo.paused = false;
        echo.watch();
      }
      return echo.eof && echo.waiting.empty();
    });
    echo.stream->shut_write();
    run_rounds(2);
    sender.join();
    receiver.join();
    BOOST_TEST(echo.seen == text.size());
    BOOST_TEST((echo.last == IoStatus::Eof));
    BOOST_TEST((back == text));
  }
}

BOOST_AUTO_TEST_CASE(more_streams_than_buffers_are_all_served) {
  std::vector<TcpPair> pairs;
  std::vector<std::unique_ptr<Echo>> echoes;
  constexpr std::size_t kStreams = 3 * Ring::kReceiveBuffers;
  for (std::size_t i = 0; i < kStreams; ++i) {
    pairs.push_back(connected_pair());
    echoes.push_back(std::make_unique<Echo>(loop, std::move(pairs.back().ours)));
  }
  run_rounds(2);
  for (auto& pair : pairs) send_all(pair.theirs.value(), "hello");
  run_until([&] {
    std::size_t seen = 0;
    for (const auto& echo : echoes) seen += echo->seen;
    return seen == 5 * kStreams;
  });
  run_rounds(3);
  for (auto& pair : pairs) {
    char buffer[8];
    BOOST_TEST(::recv(pair.theirs.value(), buffer, sizeof buffer, MSG_DONTWAIT) == 5);
  }
}

BOOST_AUTO_TEST_CASE(what_was_written_leaves_before_the_fin_also_where_the_stream_is_gone_by_then) {
  for (const bool shut : {false, true}) {
    for (const bool destroy_at_once : {false, true}) {
      TcpPair pair = connected_pair();
      auto stream = loop.open(std::move(pair.ours), Address());
      stream->watch(true, false);
      write(*stream, "good");
      write(*stream, "bye");
      if (shut) stream->shut_write();
      if (!destroy_at_once) run_rounds(2);
      stream.reset();
      run_rounds(2);
      int error = 0;
      BOOST_TEST(receive_to_end(pair.theirs.value(), error) == "goodbye");
      BOOST_TEST(error == 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_reset_is_sent_and_seen) {
  TcpPair pair = connected_pair();
  Echo echo(loop, std::move(pair.ours));
  run_rounds(2);
  const linger now{1, 0};
  ::setsockopt(pair.theirs.value(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  pair.theirs.reset();
  run_until([&] { return echo.last == IoStatus::Reset; });

  TcpPair other = connected_pair();
  auto stream = loop.open(std::move(other.ours), Address());
  stream->watch(true, false);
  run_rounds(2);
  stream->close_with_reset();
  stream.reset();
  run_rounds(2);
  int error = 0;
  receive_to_end(other.theirs.value(), error);
  BOOST_TEST(error == ECONNRESET);
}

BOOST_AUTO_TEST_CASE(one_that_is_not_watched_is_not_called_and_loses_nothing) {
  TcpPair pair = connected_pair();
  Echo echo(loop, std::move(pair.ours));
  run_rounds(2);
  echo.paused = true;
  echo.watch();
  send_all(pair.theirs.value(), "while away");
  ::shutdown(pair.theirs.value(), SHUT_WR);
  run_rounds(10);
  BOOST_TEST(echo.calls == 0);
  echo.paused = false;
  echo.watch();
  run_until([&] { return echo.eof; });
  BOOST_TEST(echo.seen == 10U);
  BOOST_TEST((echo.last == IoStatus::Eof));
}

BOOST_AUTO_TEST_CASE(one_to_which_something_has_come_is_not_silent_whoever_has_it) {
  TcpPair pair = connected_pair();
  const int ours = pair.ours.value();
  auto stream = loop.open(std::move(pair.ours), Address());
  BOOST_TEST(stream->silent());
  stream->watch(true, false);
  run_rounds(2);
  BOOST_TEST(stream->silent());
  send_all(pair.theirs.value(), "x");
  run_rounds(3);
  char byte;
  BOOST_TEST(::recv(ours, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1);  // the ring has it
  BOOST_TEST(!stream->silent());
  BOOST_TEST(stream->read(&byte, 1).n == 1U);
  BOOST_TEST(stream->silent());
  ::shutdown(pair.theirs.value(), SHUT_WR);
  run_until([&] { return !stream->silent(); });
}

BOOST_AUTO_TEST_CASE(a_reset_goes_out_although_the_peer_takes_nothing_of_what_is_being_sent) {
  TcpPair pair = connected_pair();
  auto stream = loop.open(std::move(pair.ours), Address());
  stream->watch(true, false);
  const std::string much(64 * 1024, 'x');
  const iovec large{const_cast<char*>(much.data()), much.size()};
  while (stream->write(&large, 1).status == IoStatus::Ok) {
  }
  write(*stream, "and this waits in the ring");
  run_rounds(3);
  BOOST_TEST((stream->write(&large, 1).status == IoStatus::WouldBlock));
  stream->close_with_reset();
  stream.reset();
  run_rounds(3);
  int error = 0;  // without reading: that would make room
  socklen_t size = sizeof error;
  ::getsockopt(pair.theirs.value(), SOL_SOCKET, SO_ERROR, &error, &size);
  BOOST_TEST(error == ECONNRESET);
}

// Fills the connection, so that "the end" waits in the ring, and closes it.
void close_with_tail(Fixture& fixture, Fd fd) {
  auto stream = fixture.loop.open(std::move(fd), Address());
  stream->watch(true, false);
  const std::string much(64 * 1024, 'x');
  const iovec large{const_cast<char*>(much.data()), much.size()};
  while (stream->write(&large, 1).status == IoStatus::Ok) {
  }
  fixture.write(*stream, "the end");
  fixture.run_rounds(3);
}

BOOST_AUTO_TEST_CASE(a_slow_peer_gets_what_was_taken_for_it_though_the_process_ends) {
  TcpPair pair = connected_pair();
  std::atomic<bool> finishing = false;
  std::string got;
  std::thread peer([&] {
    finishing.wait(false);
    int error = 0;
    got = receive_to_end(pair.theirs.value(), error);
  });
  {
    Fixture ending;
    close_with_tail(ending, std::move(pair.ours));
    finishing = true;
    finishing.notify_one();
    ending.loop.send_last_writes();
  }
  peer.join();
  BOOST_TEST(got.ends_with("the end"));
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_nothing_does_not_keep_the_process) {
  TcpPair pair = connected_pair();
  close_with_tail(*this, std::move(pair.ours));
  const auto began = steady_clock::now();
  loop.send_last_writes();
  const auto took = steady_clock::now() - began;
  BOOST_TEST((took >= milliseconds(900)));  // there was something to wait for
  BOOST_TEST((took < seconds(10)));
}

BOOST_AUTO_TEST_CASE(what_the_peer_said_before_a_send_failed_is_read_to_its_end) {
  for (const bool bulk : {false, true}) {
    TcpPair pair = connected_pair();
    auto stream = loop.open(std::move(pair.ours), Address());
    const std::string answer = sample(bulk ? 100'000 : 1000, 7);
    stream->watch(false, false);  // as one whose other side is slow
    send_all(pair.theirs.value(), answer);
    pair.theirs.reset();  // and it never read what follows: a reset comes back
    run_rounds(2);
    write(*stream, "more of the request");
    run_rounds(3);
    write_fails(*stream);
    std::string got;
    Reader reader(*stream, got);
    stream->watch(true, false);
    run_until([&] { return reader.last == IoStatus::Eof || reader.last == IoStatus::Reset; });
    BOOST_TEST((got == answer));
  }
}

// The descriptor is closed although nothing else happens.
BOOST_AUTO_TEST_CASE(one_that_is_gone_after_its_peers_end_is_closed_at_once) {
  run_rounds(1);
  loop.set_tick([this] { return loop.now() + seconds(5); });
  run_rounds(1);
  TcpPair pair = connected_pair();
  auto stream = loop.open(std::move(pair.ours), Address());
  std::string got;
  Reader reader(*stream, got);
  stream->watch(true, false);
  ::shutdown(pair.theirs.value(), SHUT_WR);
  run_until([&] { return reader.last == IoStatus::Eof; });
  stream.reset();
  const auto began = steady_clock::now();
  run_rounds(1);
  BOOST_TEST((steady_clock::now() - began < seconds(3)));
  pollfd fin{pair.theirs.value(), POLLIN, 0};
  BOOST_TEST(::poll(&fin, 1, 1000) == 1);
}

// Read by calls of its own, as what brings much is: unix(7), a read ends behind the bytes with which descriptors came.
BOOST_AUTO_TEST_CASE(what_is_behind_a_unix_peers_descriptors_is_read_before_the_end) {
  UnixPair pair = unix_pair();
  auto stream = loop.open(std::move(pair.ours), pair.peer);
  std::string got;
  Reader reader(*stream, got);
  stream->watch(true, false);
  const std::string much = sample(400'000, 5);
  bool sent = false;
  std::thread sender([&] {
    send_all(pair.theirs.value(), much);
    sent = send_with_descriptor(pair.theirs.value(), "!");
    send_all(pair.theirs.value(), "behind");
    ::shutdown(pair.theirs.value(), SHUT_WR);
  });
  run_until([&] { return got.size() >= much.size(); });
  sender.join();
  BOOST_TEST(sent);
  run_until([&] { return reader.last == IoStatus::Eof || reader.last == IoStatus::Reset; });
  BOOST_TEST((got == much + "!behind"));
}

BOOST_AUTO_TEST_CASE(one_whose_peer_takes_nothing_holds_little) {
  TcpPair pair = connected_pair();
  Echo echo(loop, std::move(pair.ours));
  const int peer = pair.theirs.value();
  const timeval patience{0, 300'000};
  ::setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  std::atomic<bool> over{false};
  std::thread sender([&] {
    send_all(peer, std::string(64'000'000, 'x'));
    over = true;
  });
  run_until([&] { return over.load(); });
  sender.join();
  BOOST_TEST(echo.waiting.size() <= 64U * 1024);
  BOOST_TEST(echo.seen < 32'000'000U);  // the rest waits in the kernel's buffers, and the sender had to
}

BOOST_AUTO_TEST_CASE(a_descriptor_number_that_is_used_anew_belongs_to_its_new_stream) {
  for (int i = 0; i < 50; ++i) {
    TcpPair old = connected_pair();
    auto stream = loop.open(std::move(old.ours), Address());
    stream->watch(true, false);
    if (i % 2 == 0) run_rounds(1);
    send_all(old.theirs.value(), "for the old one");
    write(*stream, "from the old one");
    stream.reset();
    TcpPair pair = connected_pair();
    Echo echo(loop, std::move(pair.ours));
    run_rounds(3);
    BOOST_TEST(echo.seen == 0U);
    send_all(pair.theirs.value(), "new");
    run_until([&] { return echo.seen > 0; });
    run_rounds(2);
    char buffer[64];
    BOOST_TEST(::recv(pair.theirs.value(), buffer, sizeof buffer, MSG_DONTWAIT) == 3);
  }
}

BOOST_AUTO_TEST_CASE(listening_mail_and_ticks_go_on_beside_busy_streams) {
  TcpPair pair = connected_pair();
  Echo echo(loop, std::move(pair.ours));
  bool mailed = false;
  int ticks = 0;
  loop.set_tick([&] {
    ++ticks;
    return loop.now() + milliseconds(1);
  });
  std::atomic<bool> over{false};
  std::thread talker([&, peer = pair.theirs.value()] {
    char buffer[64];
    while (!over) {
      send_all(peer, "ping");
      if (::recv(peer, buffer, sizeof buffer, 0) <= 0) return;
    }
  });
  run_until([&] { return echo.seen > 100; });
  std::thread poster([&] { loop.post([&] { mailed = true; }); });
  run_until([&] { return mailed && ticks > 5; });
  poster.join();
  over = true;
  ::shutdown(pair.theirs.value(), SHUT_RDWR);
  talker.join();
  run_until([&] { return echo.eof; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
