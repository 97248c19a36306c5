// SPDX-License-Identifier: Apache-2.0
// See http_client.h.
#include "tests/sim/actors/http_client.h"

namespace limpet::sim {
namespace {

constexpr std::size_t kAtOnceAtMost = 4;
constexpr std::size_t kMostBody = 6000;

}  // namespace

std::string HttpClient::unrest() const {
  return open_.empty() ? "" : std::to_string(open_.size()) + " requests without an answer";
}

void HttpClient::ask_more() {
  if (!resting_) next_.set(pace(), [this] { ask_more(); });
  if (resting_) return;
  for (std::uint64_t burst = 1 + below(random(), 3); burst > 0 && open_.size() < kAtOnceAtMost; --burst) ask_one();
}

void HttpClient::ask_one() {
  const Tag tag{name_, 0, ++number_};
  const std::size_t size = below(random(), 4) == 0 ? below(random(), kMostBody) : below(random(), 100);
  const std::string sized = "?size=" + std::to_string(size);
  const std::uint64_t kind = below(random(), 6);
  const char* method = kind == 0 ? "HEAD" : kind < 4 ? "GET" : "POST";
  Ask request = ask(method, (kind == 1 ? kPollPath : kEchoPath) + sized, tag);
  if (kind >= 4) {
    request.framing = kind == 4 ? Ask::Body::Length : Ask::Body::Chunked;
    request.waits = chance(random(), 0.2);
    request.body = say(tag, below(random(), kMostBody));
  }
  nature_.count("http_" + std::string(method) + (request.waits ? "_expect" : kind == 1 ? "_poll" : ""));
  open_[request.turn] = {tag, now(), kind < 4, size};
  line_.ask(std::move(request));
}

void HttpClient::on_head(HttpLine& line, const Head& head) {
  body_.clear();
  const Asked& asked = answered_now();
  own_ = head.fields.find(kBackendField) == nullptr;
  if (own_) return own_answer(head, asked);
  if (head.status != 200) return nature_.fail("wrong_status", name_ + ": " + std::to_string(head.status));
  const std::string* length = head.fields.find("content-length");
  if (line.oldest().method != "HEAD" || length == nullptr) return;
  const std::size_t whole = say(asked.tag, asked.size).size();
  if (number_of(*length) != whole) blame("wrong_length", "of the answer to a HEAD: " + *length, asked.at);
}

void HttpClient::own_answer(const Head& head, const Asked& asked) {
  nature_.count("http_refused_" + std::to_string(head.status));
  if (head.status == 408) return blame("own_refusal", "408", asked.at);  // its request was held up
  if (head.status < 500) return nature_.fail("own_refusal", name_ + ": " + std::to_string(head.status));
  const bool raced = !asked.safe && raced_since(asked.at);
  if (head.status != 503 && !raced) blame("unexcused_error", std::to_string(head.status), asked.at);
}

void HttpClient::on_body(HttpLine&, std::string_view piece) {
  body_.append(piece);
}

void HttpClient::on_answered(HttpLine& line) {
  const Asked asked = answered_now();
  open_.erase(line.oldest().turn);
  if (own_) return;
  ++answered_;
  nature_.count("http_answer");
  if (line.oldest().method == "HEAD") return;
  if (is_mine(body_, asked.tag, asked.at) && body_ != say(asked.tag, asked.size))
    nature_.fail("wrong_length", name_ + ": " + body_.substr(0, 80));
  if (!asked.safe) check_acknowledged(asked);
}

void HttpClient::check_acknowledged(const Asked& asked) {
  if (!commons_.ledger.has(asked.tag)) nature_.fail("acknowledged_and_lost", name_ + ": " + turn_text(asked.tag));
}

// What was asked behind a lost answer is asked again where that harms nobody, under new numbers.
void HttpClient::on_lost(HttpLine&, const Lost& lost) {
  if (!lost.outstanding.empty() && !lost.told) {
    const Asked& oldest = open_.at(lost.outstanding.front().turn);
    if (lost.mid_answer || !lost.rested)
      blame("unexcused_cut", lost.mid_answer ? "inside an answer" : "before an answer", oldest.at);
  }
  if (!lost.outstanding.empty()) nature_.count("http_answers_cut");
  open_.clear();
}

}  // namespace limpet::sim
