// SPDX-License-Identifier: Apache-2.0
// See model_client.h.
#include "tests/sim/actors/model_client.h"

namespace limpet::sim {

void ModelClient::question() {
  if (resting_) return over();
  asking_ = true;
  refused_ = done_ = false;
  tokens_ = 0;
  text_.clear();
  parser_.reset();
  asked_at_ = now();
  ++conversation_;
  const bool events = chance(random(), 0.5);
  Ask post =
      ask("POST", std::string(kModelPath) + (events ? "?stream=events" : "?stream=lines"), {name_, conversation_, 0});
  post.fields.emplace_back("Accept", events ? "text/event-stream" : "text/plain");
  post.framing = chance(random(), 0.5) ? Ask::Body::Length : Ask::Body::Chunked;
  post.body = say({name_, conversation_, 0}, below(random(), 3000));
  nature_.count("model_question");
  line_.ask(std::move(post));
}

void ModelClient::over() {
  asking_ = false;
  next_.stop();
  if (!resting_) next_.set(pace() * 2, [this] { question(); });
}

void ModelClient::on_head(HttpLine&, const Head& head) {
  refused_ = head.fields.find(kBackendField) == nullptr;
  if (refused_) {
    nature_.count("model_refused_" + std::to_string(head.status));
    if (head.status < 500) nature_.fail("own_refusal", name_ + ": " + std::to_string(head.status));
    if (head.status != 503 && !raced_since(asked_at_)) blame("unexcused_error", std::to_string(head.status), asked_at_);
    return;
  }
  if (head.status != 200) return nature_.fail("wrong_status", name_ + ": " + std::to_string(head.status));
  if (head.fields.value("content-type") == "text/event-stream")
    parser_ = std::make_unique<EventParser>("", [this](const StreamEvent& event) { take_token(event.data); });
}

void ModelClient::on_body(HttpLine&, std::string_view piece) {
  if (refused_) return;
  if (parser_) {
    parser_->feed(piece);
    if (parser_->blank_events() > 0) nature_.fail("blank_event", name_ + ": a message out of nothing");
    if (parser_->retry()) nature_.fail("retry_in_answer", name_ + ": the answer to a POST is told when to come back");
    return;
  }
  text_.append(piece);
  for (auto end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
    const std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    take_token(line);
  }
}

void ModelClient::take_token(const std::string& token) {
  if (done_) return nature_.fail("foreign_byte", name_ + ": after the end: " + token.substr(0, 80));
  if (token == "[DONE]") {
    done_ = true;
    return;
  }
  if (is_mine(token, {name_, conversation_, tokens_ + 1}, asked_at_)) ++tokens_;
}

void ModelClient::on_answered(HttpLine&) {
  if (!refused_) {
    if (!done_) nature_.fail("half_answer_whole", name_ + ": ends after " + std::to_string(tokens_) + " tokens");
    if (!text_.empty() || (parser_ && parser_->mid_event())) nature_.fail("torn_message", name_ + ": at the end");
    ++answered_;
    nature_.count("model_answer");
  }
  over();
}

void ModelClient::on_lost(HttpLine&, const Lost& lost) {
  if (lost.outstanding.empty()) return;
  if (lost.mid_answer || !lost.rested)
    blame("unexcused_cut", lost.mid_answer ? "inside an answer" : "before an answer", asked_at_);
  nature_.count("model_answer_cut");
  over();
}

}  // namespace limpet::sim
