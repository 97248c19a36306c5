// SPDX-License-Identifier: Apache-2.0
// An answer's head that comes alone, how an answer ends whose client does not take its last bytes at once, and one
// whose two sides stand still: the same whether bytes are written at once or put off until a batch is over. A scripted
// client before a backend on loopback.
#include "proxy/session/http/connection.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "proxy/session/http/http_protocol.h"
#include "proxy/session/worker.h"
#include "tests/session/log_lines.h"
#include "tests/session/scripted_stream.h"

namespace limpet::session {

namespace {

using std::chrono::seconds;

class Rig {
 public:
  // `batched`: every round serves something else, too. `change`: what is not as usual.
  explicit Rig(bool batched, const std::function<void(Settings&)>& change = {}) : batched_(batched) {
    listening_ = net::listen_on(net::Address::parse("127.0.0.1:0").value(), 0).value();
    auto settings = std::make_shared<PoolSettings>();
    settings->name = "main";
    settings->cookie.enabled = false;
    settings->backends.push_back({"one", net::bound_address(listening_.value()), 1});
    pool_ = std::make_shared<Pool>(std::shared_ptr<const PoolSettings>(settings));
    pool_->view().backends[0]->cells = {&registry_.backend("main", "one", 0)};
    shared.max_connections = 100;
    shared.connections = 1;
    shared.observed = [](const Backend&, bool) {};
    Settings all;
    all.listeners.emplace_back().name = "web";
    all.listeners.back().pool = "main";
    if (change) change(all);
    worker_ = std::make_unique<Worker>(shared, 0,
                                       std::make_shared<const Snapshot>(all, std::vector<std::shared_ptr<Pool>>{pool_}),
                                       protocol_, &clock_);
    shared.workers = {worker_.get()};
    if (batched) worker_->loop().watch_descriptor(always_ready_.value(), [] {});
    worker_->accepted(0, client.make_stream(), net::Address::parse("127.0.0.1:9").value());
  }
  ~Rig() {
    worker_.reset();
    BOOST_TEST(shared.buffered == 0);
  }

  // The request goes out.
  void asks(std::string_view request) {
    client.brings(request);
    for (int i = 0; i < 100 && !backend_.open(); ++i) {
      run_round();
      backend_ = Fd(::accept4(listening_.value(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    }
    BOOST_TEST_REQUIRE(backend_.open());
    while ((heard = backend_hears()).empty()) run_round();
  }
  // Likewise, and the beginning of its answer comes back.
  void begins(std::string_view request, std::string_view answer) {
    asks(request);
    backend_says(answer);
    for (int i = 0; i < 100 && !client.written.ends_with(answer.substr(answer.size() - 2)); ++i) run_round();
    begun_ = client.written.size();
  }
  void backend_says(std::string_view text) {
    BOOST_TEST_REQUIRE(::send(backend_.value(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  void backend_ends() { backend_.reset(); }
  std::string backend_hears() {
    char buffer[4096];
    const ssize_t n = ::recv(backend_.value(), buffer, sizeof buffer, 0);
    return {buffer, n > 0 ? static_cast<std::size_t>(n) : 0};
  }
  // Its connection was closed.
  bool backend_is_left() {
    char byte;
    return ::recv(backend_.value(), &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
  }
  // In a batch the client's side is stepped behind what its backend has said.
  void run_round() {
    if (batched_) {
      worker_->post([this] { client.step(); });
    } else {
      client.step();
      worker_->loop().tick_by(clock_.now());  // so that the round ends though nothing comes
    }
    worker_->run_round();
  }
  // A round in which `work` is done before the client is stepped.
  void run_round_behind(const std::function<void(Worker&)>& work) {
    worker_->post([this, work] { work(*worker_); });
    run_round();
  }
  void run_rounds() {
    for (int i = 0; i < 4; ++i) run_round();
  }
  void pass(Duration time) {
    clock_.advance(time);
    run_rounds();
  }
  // Its client takes a little of it at each step, and all of it in the end if it is let.
  void takes_slowly(std::string_view text, Duration step) {
    client.room = 10;
    client.unacknowledged = 1'000'000;
    backend_says(text);
    run_rounds();
    for (int i = 0; i < 100; ++i) {
      client.unacknowledged -= 5000;
      pass(step);
    }
    client.room = Script::kAny;
    run_rounds();
  }
  void cut_all() {
    worker_->for_each_session([](Session& session) { session.cut(CloseReason::Cut); });
    run_rounds();
  }
  std::string since() const { return client.written.substr(begun_); }
  // Of the only session.
  Duration idle() {
    Time last{};
    worker_->for_each_session([&](Session& session) { last = session.last_activity(); });
    return clock_.now() - last;
  }
  ClientGate& gate() { return *worker_->snapshot().listeners[0]->gate; }
  Time now() const { return clock_.now(); }
  // Until the next timer of anything.
  Duration next_timer() { return worker_->wheel().next_due() - clock_.now(); }

  Script client;
  std::string heard;  // the request, as it came
  metrics::Registry registry_{1, "test"};
  Shared shared{1000, registry_};

 private:
  const bool batched_;
  const Fd always_ready_{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)};
  ManualClock clock_;
  std::shared_ptr<Pool> pool_;
  Fd listening_;
  Fd backend_;
  HttpProtocol protocol_;
  std::unique_ptr<Worker> worker_;
  std::size_t begun_ = 0;
};

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLastGet = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
constexpr std::string_view kBegun = "HTTP/1.1 200 OK\r\nContent-Length: 102\r\n\r\naa";
constexpr std::string_view kWhole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\naa";
constexpr std::string_view kStream =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: y\n\n\r\n";
const std::string kTail(100, 'b');

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// The content of whole chunks.
std::string without_chunks(std::string_view chunks) {
  std::string content;
  while (!chunks.empty()) {
    const auto line = chunks.find("\r\n");
    BOOST_TEST_REQUIRE(line != std::string_view::npos);
    const auto size = std::stoul(std::string(chunks.substr(0, line)), nullptr, 16);
    content += chunks.substr(line + 2, size);
    BOOST_TEST((chunks.substr(line + 2 + size, 2) == "\r\n"));
    chunks.remove_prefix(line + 2 + size + 2);
  }
  return content;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http_connection)

// It must neither wait for the body nor be left where another client's answer is put together.
BOOST_DATA_TEST_CASE(a_head_passes_at_once_though_its_body_has_yet_to_come, boost::unit_test::data::make({false, true}),
                     batched) {
  struct Case {
    std::string_view framing, passed_as, body, passed_body;
  };
  for (const Case& is : {Case{"Content-Length: 4\r\n", "Content-Length: 4\r\n", "body", "body"},
                         Case{"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\n",
                              "4\r\nbody\r\n0\r\n\r\n", "4\r\nbody\r\n0\r\n\r\n"},
                         Case{"", "Transfer-Encoding: chunked\r\n", "body", "4\r\nbody\r\n"}}) {
    Rig rig(batched);
    const std::string head = "HTTP/1.1 200 OK\r\n" + std::string(is.framing) + "\r\n";
    rig.begins(kGet, head);
    BOOST_TEST(rig.client.written == "HTTP/1.1 200 OK\r\n" + std::string(is.passed_as) + "\r\n");
    rig.backend_says(is.body);
    rig.run_rounds();
    BOOST_TEST(rig.since() == is.passed_body);
  }
}

BOOST_DATA_TEST_CASE(an_answer_passes_in_whatever_pieces_it_comes, boost::unit_test::data::make({false, true}),
                     batched) {
  for (const std::string_view framed : {"Content-Length: 8\r\n\r\nthe body", "\r\nthe body",
                                        "Transfer-Encoding: chunked\r\n\r\n4\r\nthe \r\n4\r\nbody\r\n0\r\n\r\n"}) {
    const std::string answer = "HTTP/1.1 200 OK\r\n" + std::string(framed);
    const std::size_t head_size = answer.find("\r\n\r\n") + 4;
    const bool until_close = framed.starts_with("\r\n");
    for (std::size_t size = 1; size < answer.size(); ++size) {
      BOOST_TEST_INFO_SCOPE(size << " bytes of " << answer);
      Rig rig(batched);
      rig.asks(kGet);
      rig.backend_says(answer.substr(0, size));
      rig.run_rounds();
      BOOST_TEST(rig.client.written.empty() == (size < head_size));
      rig.backend_says(answer.substr(size));
      if (until_close) rig.backend_ends();
      rig.run_rounds();
      const auto body_at = rig.client.written.find("\r\n\r\n") + 4;
      const auto body = rig.client.written.substr(body_at);
      const bool chunked = rig.client.written.find("chunked") < body_at;
      BOOST_TEST(chunked == !framed.starts_with("Content-Length"));
      BOOST_TEST((chunked ? without_chunks(body) : body) == "the body");
    }
  }
}

BOOST_DATA_TEST_CASE(a_client_that_takes_its_answer_slowly_gets_all_of_it, boost::unit_test::data::make({false, true}),
                     batched) {
  for (const auto request : {kGet, kLastGet}) {
    Rig rig(batched);
    rig.begins(request, kBegun);
    rig.takes_slowly(kTail, seconds(1));
    BOOST_TEST(rig.since() == kTail);
    BOOST_TEST(!rig.client.closed_with_reset);
    BOOST_TEST(rig.client.fin == (request == kLastGet));
  }
}

BOOST_DATA_TEST_CASE(a_client_that_says_fin_gets_the_rest_of_its_answer, boost::unit_test::data::make({false, true}),
                     batched) {
  Rig rig(batched);
  rig.begins(kGet, kBegun);
  rig.client.room = 10;
  rig.backend_says(kTail);
  rig.client.brings_eof();
  rig.run_rounds();
  rig.client.room = Script::kAny;
  rig.run_rounds();
  BOOST_TEST(rig.since() == kTail);
}

// Nothing else tells a client of HTTP/1.0 that this was not all.
BOOST_DATA_TEST_CASE(an_answer_that_is_not_taken_to_its_end_ends_by_a_reset,
                     boost::unit_test::data::make({false, true}), batched) {
  Rig rig(batched);
  rig.begins("GET / HTTP/1.0\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\naa\r\n");
  rig.client.room = 10;
  rig.backend_says("64\r\n" + kTail + "\r\n0\r\n\r\n");
  rig.run_rounds();
  for (int i = 0; i < 200 && !rig.client.closed; ++i) rig.pass(seconds(1));
  BOOST_TEST(rig.client.closed);
  BOOST_TEST(rig.client.closed_with_reset);
}

// It cannot be told from that of a backend that died.
BOOST_DATA_TEST_CASE(an_event_stream_that_ends_with_its_connection_ends_with_a_retry,
                     boost::unit_test::data::make({false, true}), batched) {
  Rig rig(batched);
  rig.begins(kGet, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n");
  rig.backend_ends();
  rig.run_rounds();
  BOOST_TEST(rig.since().find("\r\nretry: ") != std::string::npos);
  BOOST_TEST(rig.since().ends_with("\r\n0\r\n\r\n"));
}

// However slowly its client takes what is left.
BOOST_DATA_TEST_CASE(a_cut_ends_an_event_stream_in_mid_event, boost::unit_test::data::make({false, true}), batched) {
  Rig rig(batched);
  rig.begins(kGet, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  rig.client.room = 10;
  rig.backend_says("66\r\ndata: " + std::string(96, 'x') + "\r\n");
  rig.run_rounds();
  rig.cut_all();
  BOOST_TEST(rig.client.closed);
  BOOST_TEST(rig.client.closed_with_reset);
}

// Even where its own request has not come to an end.
BOOST_DATA_TEST_CASE(a_client_that_is_busy_with_its_answer_is_let, boost::unit_test::data::make({false, true}),
                     batched) {
  Rig rig(batched);
  rig.begins("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
             "HTTP/1.1 200 OK\r\nContent-Length: 103\r\n\r\naa");
  rig.takes_slowly(kTail, seconds(2));
  BOOST_TEST(!rig.client.closed);
  rig.backend_says("c");
  rig.run_rounds();
  BOOST_TEST(rig.since() == kTail + "c");
}

BOOST_DATA_TEST_CASE(a_client_behind_a_silent_backend_is_probed, boost::unit_test::data::make({false, true}), batched) {
  Rig rig(batched);
  rig.begins(kGet, kBegun);
  rig.pass(seconds(4));
  BOOST_TEST(!rig.client.probed);
  rig.pass(seconds(2));
  BOOST_TEST(rig.client.probed);
}

BOOST_DATA_TEST_CASE(a_client_that_is_gone_asks_for_nothing_more, boost::unit_test::data::make({false, true}),
                     batched) {
  Rig rig(batched);
  rig.begins("GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST /pay HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", kBegun);
  rig.client.refuses_writes = true;
  rig.backend_says(kTail);
  rig.run_rounds();
  BOOST_TEST(rig.backend_hears() == "");
  BOOST_TEST(rig.client.closed);
}

// --- event streams ---

BOOST_AUTO_TEST_CASE(a_comment_of_limpets_own_does_not_make_a_silent_stream_an_active_one) {
  Rig rig(false);
  rig.begins(kGet, kStream);
  for (int i = 0; i < 60; ++i) rig.pass(seconds(1));
  BOOST_TEST((rig.idle() >= seconds(60)));
  BOOST_TEST(count_of(rig.since(), "\r\n:\n") >= 3U);  // each 15 s after the last, and a tick
  rig.backend_says("9\r\ndata: x\n\n\r\n");
  rig.run_rounds();
  BOOST_TEST((rig.idle() == Duration{0}));
  const auto comments = count_of(rig.since(), "\r\n:\n");
  for (int i = 0; i < 14; ++i) rig.pass(seconds(1));
  BOOST_TEST(count_of(rig.since(), "\r\n:\n") == comments);
  rig.pass(seconds(2));
  BOOST_TEST(count_of(rig.since(), "\r\n:\n") == comments + 1);
}

BOOST_AUTO_TEST_CASE(a_stream_whose_client_does_not_read_asks_for_no_timer_but_that_of_its_stall) {
  Rig rig(false);
  rig.begins(kGet, kStream);
  rig.client.room = 0;
  rig.backend_says("9\r\ndata: x\n\n\r\n");
  rig.run_rounds();
  rig.pass(seconds(20));
  BOOST_TEST((rig.next_timer() > seconds(30)));
  rig.client.room = Script::kAny;
  rig.run_rounds();
  rig.pass(seconds(16));
  BOOST_TEST(count_of(rig.since(), "\r\n:\n") == 1U);  // it is kept alive again
}

// --- what comes between requests ---

BOOST_AUTO_TEST_CASE(a_line_end_behind_a_request_is_no_request) {
  for (const std::string_view stray : {"\r\n", "\r"}) {
    for (const bool with_the_request : {true, false}) {
      BOOST_TEST_INFO_SCOPE(with_the_request);
      Rig rig(false);
      rig.begins(with_the_request ? std::string(kGet) + std::string(stray) : std::string(kGet), kWhole);
      if (!with_the_request) rig.client.brings(stray);
      rig.pass(seconds(74));
      BOOST_TEST(!rig.client.closed);
      rig.pass(seconds(2));
      BOOST_TEST(rig.client.closed);
      BOOST_TEST(rig.since() == "");
      BOOST_TEST(rig.registry_.worker(0).rejected[static_cast<std::size_t>(metrics::RejectReason::Slow)].value() == 0U);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_request_may_follow_a_line_end_in_whatever_pieces_it_comes) {
  const std::string request = "\r\n" + std::string(kGet);
  for (std::size_t size = 1; size < request.size(); ++size) {
    BOOST_TEST_INFO_SCOPE(size);
    Rig rig(false);
    rig.begins(kGet, kWhole);
    rig.client.brings(request.substr(0, size));
    rig.pass(seconds(1));
    rig.client.brings(request.substr(size));
    rig.run_rounds();
    BOOST_TEST(rig.backend_hears().starts_with("GET / HTTP/1.1\r\n"));
    rig.backend_says(kWhole);
    rig.run_rounds();
    BOOST_TEST(rig.since().ends_with("\r\n\r\naa"));
  }
}

BOOST_AUTO_TEST_CASE(a_second_line_end_is_refused_and_a_head_that_has_begun_is_timed) {
  for (const std::string_view begun : {"\r\n\r\n", "\r\nG"}) {
    Rig rig(false);
    rig.begins(kGet, kWhole);
    rig.client.brings(begun);
    rig.run_rounds();
    rig.pass(seconds(11));
    BOOST_TEST(rig.since().starts_with(begun.ends_with('G') ? "HTTP/1.1 408 " : "HTTP/1.1 400 "));
  }
}

BOOST_AUTO_TEST_CASE(a_client_that_says_fin_behind_a_line_end_is_let_go) {
  Rig late(false);
  late.begins(kGet, kWhole);
  late.client.brings("\r\n");
  late.client.brings_eof();
  late.run_rounds();
  BOOST_TEST(late.client.closed);
  Rig early(false);
  early.asks(std::string(kGet) + "\r\n");
  early.client.brings_eof();
  early.run_rounds();
  early.backend_says(kWhole);
  early.run_rounds();
  BOOST_TEST(early.client.written.ends_with("\r\n\r\naa"));
  BOOST_TEST(early.client.closed);
}

// --- a FIN of the client's ---

// A session that would go on by itself has nobody left to go on for, whenever it is known what it is.
BOOST_DATA_TEST_CASE(a_stream_is_given_up_whose_client_had_said_fin_before_it_was_one,
                     boost::unit_test::data::make({false, true}), batched) {
  Rig rig(batched);
  rig.asks(kGet);
  rig.client.brings_eof();
  rig.run_rounds();
  BOOST_TEST(!rig.client.closed);
  rig.backend_says(kStream);
  rig.run_rounds();
  BOOST_TEST(rig.client.closed);
  BOOST_TEST(rig.backend_is_left());
}

BOOST_AUTO_TEST_CASE(a_poll_is_given_up_whose_client_had_said_fin_before_it_was_one) {
  Rig rig(false);
  rig.asks(kGet);
  rig.client.brings_eof();
  rig.run_rounds();
  BOOST_TEST(!rig.client.closed);
  rig.pass(seconds(6));
  BOOST_TEST(rig.client.closed);
  BOOST_TEST(rig.backend_is_left());
}

BOOST_AUTO_TEST_CASE(a_request_that_came_before_the_fin_is_still_answered_and_a_stream_given_up) {
  const std::string stream = "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
  for (const bool is_stream : {false, true}) {
    Rig rig(false);
    rig.asks(std::string(kGet) + (is_stream ? stream : std::string(kGet)));
    rig.client.brings_eof();
    rig.run_rounds();
    rig.backend_says(kWhole);
    rig.run_rounds();
    BOOST_TEST(rig.client.closed == is_stream);
    if (is_stream) continue;
    rig.backend_says(kWhole);
    rig.run_rounds();
    BOOST_TEST(count_of(rig.client.written, "\r\n\r\naa") == 2U);
    BOOST_TEST(rig.client.closed);
  }
}

BOOST_AUTO_TEST_CASE(a_request_that_will_never_be_complete_is_not_waited_for) {
  for (const std::string_view part : {"GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbo",
                                      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo"}) {
    Rig rig(false);
    rig.asks(std::string(kGet) + std::string(part));
    rig.client.brings_eof();
    rig.run_rounds();
    rig.backend_says(kWhole);
    rig.run_rounds();
    BOOST_TEST(count_of(rig.client.written, "\r\n\r\naa") == 1U);
    BOOST_TEST(rig.client.closed);
  }
}

// --- bytes of another connection ---

// It is as if another connection had gathered the start of a head and come to no end with it.
BOOST_AUTO_TEST_CASE(an_answer_never_leaves_with_bytes_that_another_connection_has_left_behind) {
  const Outlet forgetful;
  Rig rig(true);
  rig.begins(kGet, kWhole);
  rig.client.brings("no request\r\n\r\n");
  {
    const LogLines log;
    rig.run_round_behind(
        [&](Worker& worker) { worker.to_client().of(forgetful, nullptr).text() += "another's secret"; });
  }
  BOOST_TEST(rig.since() == "");
  BOOST_TEST(rig.client.closed);
}

BOOST_AUTO_TEST_CASE(a_request_never_leaves_with_bytes_that_another_connection_has_left_behind) {
  const Outlet forgetful;
  Rig rig(true);
  rig.begins("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf", "HTTP/1.1 100 Continue\r\n\r\n");
  rig.client.brings("full");
  {
    const LogLines log;
    rig.run_round_behind(
        [&](Worker& worker) { worker.to_backend().of(forgetful, nullptr).text() += "another's secret"; });
  }
  BOOST_TEST(rig.backend_hears() == "");
  BOOST_TEST(rig.since().starts_with("HTTP/1.1 502 "));
}

// What is left at the end of a round would leave in the next one, with whatever comes then.
BOOST_AUTO_TEST_CASE(what_a_connection_leaves_behind_is_gone_with_the_round) {
  const Outlet forgetful;
  Rig rig(true);
  rig.begins(kGet, kBegun);
  std::size_t said = 0;
  {
    const LogLines log;
    rig.run_round_behind(
        [&](Worker& worker) { worker.to_client().of(forgetful, nullptr).text() += "another's secret"; });
    said = log.count("bytes of one connection");
  }
  BOOST_TEST(said == 1U);
  rig.backend_says(kTail);
  rig.run_rounds();
  BOOST_TEST(rig.since() == kTail);
}

// --- which requests are served ---

void serve_one_name(Settings& all) {
  auto route = std::make_shared<RouteSettings>();
  route->host = "name.example";
  route->path = "/";
  route->pool = "main";
  all.routes = {route};
  all.listeners.back().pool.clear();
}

BOOST_AUTO_TEST_CASE(a_host_may_end_in_a_dot_which_the_backend_gets_to_see) {
  Rig rig(false, serve_one_name);
  rig.asks("GET / HTTP/1.1\r\nHost: Name.Example.:80\r\n\r\n");
  BOOST_TEST(rig.heard.find("\r\nHost: Name.Example.:80\r\n") != std::string::npos);
  BOOST_TEST(rig.heard.find("\r\nX-Forwarded-Host: Name.Example.:80\r\n") != std::string::npos);
}

// The gate's table is full, so that the client's first session is not counted; its second one is.
BOOST_AUTO_TEST_CASE(a_session_that_was_not_counted_leaves_the_count_of_others_alone) {
  Rig rig(false, [](Settings& all) { all.listeners.back().limits.sessions = 1; });
  const auto nth = [](unsigned n) {
    const auto part = [&](unsigned shift) { return std::to_string((n >> shift) & 255); };
    return net::IpAddress::parse("10." + part(16) + "." + part(8) + "." + part(0)).value();
  };
  std::vector<net::IpAddress> counted;
  for (unsigned i = 0; i < 2 * ClientGate::kMaxAddresses; ++i) {
    if (rig.gate().open_session(nth(i), rig.now()) == ClientGate::Verdict::Ok) counted.push_back(nth(i));
  }
  BOOST_TEST(counted.size() <= ClientGate::kMaxAddresses);
  rig.begins(kGet, kBegun);
  for (const auto& address : counted) rig.gate().close_session(address);
  const auto client = net::IpAddress::parse("127.0.0.1").value();
  BOOST_TEST((rig.gate().open_session(client, rig.now()) == ClientGate::Verdict::Ok));
  rig.backend_says(kTail);
  rig.run_rounds();
  BOOST_TEST(rig.since() == kTail);
  BOOST_TEST((rig.gate().open_session(client, rig.now()) == ClientGate::Verdict::TooManySessions));
}

BOOST_AUTO_TEST_CASE(an_event_source_that_is_turned_away_for_now_is_told_when_to_come_back) {
  const std::string_view events = "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
  Rig cut(false);
  cut.client.brings(events);
  cut.run_rounds();
  cut.cut_all();
  BOOST_TEST(cut.client.written.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"),
             cut.client.written);
  BOOST_TEST(cut.client.written.find("\r\n\r\nretry: ") != std::string::npos);

  Rig limited(false, [](Settings& all) { all.listeners.back().limits.requests_per_second = 1; });
  for (int i = 0; i < 2; ++i) {
    limited.client.brings("GET /none HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    limited.run_rounds();
  }
  limited.client.written.clear();
  limited.client.brings(events);
  limited.run_rounds();
  BOOST_TEST(limited.client.written.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"),
             limited.client.written);
}

BOOST_AUTO_TEST_CASE(what_is_refused_without_a_route_counts_toward_the_rate_like_any_request) {
  for (const std::string_view request :
       {"GET / HTTP/1.1\r\nHost: other\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 12\r\n\r\n"}) {
    Rig rig(false, [](Settings& all) {
      serve_one_name(all);
      all.listeners.back().limits.requests_per_second = 2;
    });
    for (int i = 0; i < 3; ++i) {
      rig.client.brings(request);
      rig.run_rounds();
    }
    BOOST_TEST_INFO_SCOPE(rig.client.written);
    BOOST_TEST(count_of(rig.client.written, "HTTP/1.1 4") == 3U);
    BOOST_TEST(count_of(rig.client.written, "HTTP/1.1 429 ") == 1U);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
