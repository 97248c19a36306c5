// SPDX-License-Identifier: Apache-2.0
// A backend's streams: events with ids out of the common history, with every line ending that the standard allows, and
// the answers of a language model, token by token.
#include "tests/sim/actors/services.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMostUnsent = 64 * 1024;

class EventsService final : public Service {
 public:
  explicit EventsService(Visit& visit) : visit_(visit), next_(visit.nature()), end_(visit.nature()) {}

  void on_request_end() override {
    Random& random = visit_.backend().random();
    next_number_ = number_of(visit_.head().fields.value("last-event-id")) + 1;
    const std::uint64_t ending = below(random, 3);
    eol_ = ending == 0 ? "\n" : ending == 1 ? "\r\n" : "\r";
    visit_.send(visit_.answer_head(200,
                                   "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                                   "Transfer-Encoding: chunked\r\n"));
    if (chance(random, 0.2)) visit_.send_chunk("\xEF\xBB\xBF");
    if (chance(random, 0.2)) visit_.send_chunk("retry: " + std::to_string(500 + below(random, 3000)) + eol_);
    if (visit_.backend().happens(visit_.backend().character().ends_streams))
      end_.set(between(random, 0ms, 30s), [this] { ending_ = true; });
    go_on();
  }
  void on_gone() override {
    next_.stop();
    end_.stop();
  }

 private:
  void go_on() {
    const History& history = visit_.backend().commons().history;
    Random& random = visit_.backend().random();
    while (visit_.alive() && visit_.unsent() < kMostUnsent) {
      if (ending_) {
        visit_.nature().count("backend_ends_stream");
        visit_.send("0\r\n\r\n");
        return visit_.answered();
      }
      const auto due = history.due(visit_.tag().client, next_number_);
      if (!due) break;
      if (*due > visit_.nature().now()) return next_.set(*due - visit_.nature().now(), [this] { go_on(); });
      std::string text = chance(random, 0.1) ? ": by the way" + eol_ : "";
      if (chance(random, 0.1)) text += "event: message" + eol_;
      text += "id: " + std::to_string(next_number_) + eol_ + "data: ";
      text += say({visit_.tag().client, 0, next_number_}, below(random, 400)) + eol_ + eol_;
      ++next_number_;
      if (!chance(random, 0.1)) {
        visit_.send_chunk(text);
        continue;
      }
      const std::size_t cut = 1 + below(random, text.size() - 1);
      visit_.send_chunk(text.substr(0, cut));
      return next_.set(20ms, [this, rest = text.substr(cut)] {
        visit_.send_chunk(rest);
        go_on();
      });
    }
    if (visit_.alive()) next_.set(200ms, [this] { go_on(); });
  }

  Visit& visit_;
  Alarm next_, end_;
  std::string eol_;
  std::uint64_t next_number_ = 1;
  bool ending_ = false;
};

class ModelService final : public Service {
 public:
  explicit ModelService(Visit& visit) : visit_(visit), next_(visit.nature()) {
    if (visit.backend().happens(visit.backend().character().slow_uploads))
      visit.reads_at(visit.backend().character().slow_rate);
  }

  void on_body(std::string_view piece) override { body_.append(piece); }
  void on_request_end() override {
    if (!check_request_body(visit_, body_)) return visit_.end(true);
    note_arrival(visit_, visit_.tag());
    events_ = visit_.head().query("stream") == "events";
    left_ = 1 + below(visit_.backend().random(), 40);
    const bool alone = visit_.backend().happens(visit_.backend().character().head_alone);
    const std::string head =
        visit_.answer_head(200, events_ ? "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                                        : "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n");
    visit_.send(head);
    next_.set(alone ? Duration(2s) : Duration(0), [this] { go_on(); });
  }
  void on_gone() override { next_.stop(); }

 private:
  void go_on() {
    if (left_ == 0) {
      visit_.send_chunk(events_ ? "data: [DONE]\n\n" : "[DONE]\n");
      visit_.send("0\r\n\r\n");
      return visit_.answered();
    }
    --left_;
    Random& random = visit_.backend().random();
    const std::string token = say({visit_.tag().client, visit_.tag().conversation, ++number_}, below(random, 40));
    visit_.send_chunk(events_ ? "data: " + token + "\n\n" : token + "\n");
    const bool slow = visit_.backend().happens(visit_.backend().character().slow_answers);
    next_.set(between(random, 5ms, slow ? 2s : 100ms), [this] { go_on(); });
  }

  Visit& visit_;
  Alarm next_;
  std::string body_;
  bool events_ = false;
  std::uint64_t left_ = 0, number_ = 0;
};

}  // namespace

std::unique_ptr<Service> make_events(Visit& visit) {
  return std::make_unique<EventsService>(visit);
}

std::unique_ptr<Service> make_model(Visit& visit) {
  return std::make_unique<ModelService>(visit);
}

}  // namespace limpet::sim
