// SPDX-License-Identifier: Apache-2.0
// A backend's plain answers: as large as asked for, at once or late, in one piece or several, and its lies.
#include <deque>

#include "tests/sim/actors/services.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

class EchoService final : public Service {
 public:
  explicit EchoService(Visit& visit) : visit_(visit), next_(visit.nature()) {
    if (visit.backend().happens(visit.backend().character().slow_uploads)) {
      visit.nature().count("backend_takes_slowly");
      visit.reads_at(visit.backend().character().slow_rate);
    }
  }

  void on_body(std::string_view piece) override { body_.append(piece); }
  void on_request_end() override;
  void on_gone() override { next_.stop(); }

 private:
  struct Step {
    Duration wait;
    std::string bytes;
  };
  void plan();
  void plan_lie(const std::string& message);
  void run();

  Visit& visit_;
  Alarm next_;
  std::string body_;
  std::deque<Step> steps_;
  bool stays_ = true;
};

void EchoService::on_request_end() {
  if (visit_.head().method == "POST" && visit_.tag().client != "") {
    if (!check_request_body(visit_, body_)) return visit_.end(true);
    note_arrival(visit_, visit_.tag());
  }
  plan();
  run();
}

void EchoService::plan() {
  Backend& backend = visit_.backend();
  Random& random = backend.random();
  const Character& character = backend.character();
  if (visit_.head().path() == kHealthPath) {
    steps_.push_back({0ms, visit_.answer_head(backend.healthy ? 200 : 503, "Content-Length: 0\r\n")});
    return;
  }
  const std::string message = say(visit_.tag(), number_of(visit_.head().query("size")));
  const bool head_only = visit_.head().method == "HEAD";
  if (!head_only && backend.happens(character.lies)) return plan_lie(message);
  const bool chunked = chance(random, 0.5) && !head_only;
  const std::string head = visit_.answer_head(
      200, chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: " + std::to_string(message.size()) + "\r\n");
  const bool slow = backend.happens(character.slow_answers);
  Duration first = visit_.head().path() == kPollPath ? between(random, 0ms, 8s) : Duration(0);
  if (slow) first += between(random, 0ms, 3s);
  steps_.push_back({first, head});
  Duration wait = backend.happens(character.head_alone) ? between(random, 1ms, 1s) : Duration(0);
  if (slow) visit_.nature().count("backend_answers_slowly");
  if (wait > Duration(0)) visit_.nature().count("backend_head_alone");
  for (std::size_t at = 0; at < message.size() && !head_only;) {
    const std::size_t size = 1 + below(random, message.size() - at);
    std::string part = message.substr(at, size);
    if (chunked) {
      char line[20];
      std::snprintf(line, sizeof line, "%zx\r\n", size);
      part = line + part + "\r\n";
    }
    steps_.push_back({wait, part});
    wait = slow ? between(random, 0ms, 500ms) : Duration(0);
    at += size;
  }
  if (chunked) steps_.push_back({0ms, "0\r\n\r\n"});
}

void EchoService::plan_lie(const std::string& message) {
  Backend& backend = visit_.backend();
  backend.commons().troubles.befall(visit_.tag().client, visit_.nature().now());
  visit_.nature().count("backend_lies");
  stays_ = false;
  const auto with_length = [&](std::size_t length) {
    return visit_.answer_head(200, "Content-Length: " + std::to_string(length) + "\r\n") + message;
  };
  switch (below(backend.random(), 4)) {
  case 0:
    return steps_.push_back({0ms, with_length(message.size() + 10)});
  case 1:
    return steps_.push_back({0ms, with_length(message.size() / 2)});
  case 2:
    return steps_.push_back({0ms, "HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n"});
  default:
    return steps_.push_back({0ms, "SSH-2.0-OpenSSH_9.2p1\r\n"});
  }
}

void EchoService::run() {
  while (!steps_.empty() && visit_.alive()) {
    if (const Duration wait = std::exchange(steps_.front().wait, Duration(0)); wait > Duration(0))
      return next_.set(wait, [this] { run(); });
    const std::string bytes = std::move(steps_.front().bytes);
    steps_.pop_front();
    visit_.send(bytes);
  }
  visit_.answered(stays_);
}

}  // namespace

std::unique_ptr<Service> make_echo(Visit& visit) {
  return std::make_unique<EchoService>(visit);
}

std::unique_ptr<Service> serve(Visit& visit) {
  const std::string path = visit.head().path();
  if (path == kEventsPath) return make_events(visit);
  if (path == kModelPath) return make_model(visit);
  if (path == kWebSocketPath) return make_web_socket(visit);
  if (path == kEnginePath) return make_engine(visit);
  return make_echo(visit);
}

bool check_request_body(Visit& visit, const std::string& body) {
  const Heard heard = hear(body, visit.tag());
  if (heard == Heard::Whole) return true;
  visit.nature().fail(heard == Heard::Part ? "torn_request" : "foreign_byte",
                      visit.backend().name() + ": from " + visit.tag().client + ": " + body.substr(0, 80));
  return false;
}

void note_arrival(Visit& visit, const Tag& tag) {
  if (visit.backend().commons().ledger.note(tag)) return;
  visit.nature().fail("message_doubled", visit.backend().name() + ": from " + tag.client + ": " + turn_text(tag));
}

}  // namespace limpet::sim
