// SPDX-License-Identifier: Apache-2.0
// What limpet answers by itself: refusals, a backend that is not there, learned sessions that are over.
#include "proxy/session/http/exchange.h"
#include "proxy/wire/engine_io.h"
#include "proxy/wire/http/http1_writer.h"

namespace limpet::session {

namespace {

constexpr std::size_t kAttributes = 96;  // bytes, about: of a Set-Cookie behind its path

}  // namespace

// GET with exactly this Accept is what a browser's EventSource sends (WHATWG HTML §9.2.2).
bool Exchange::wants_event_stream() const {
  if (head_ == nullptr || head_->method != "GET") return false;
  const auto accept = head_->fields.find(wire::FieldName::Accept);
  return accept && wire::equals_ignoring_case(*accept, "text/event-stream");
}

// Seconds, jittered so that those who are turned away together do not come back together.
std::string Exchange::retry_after() const {
  return std::to_string(1 + static_cast<int>(worker_.random().fraction() * 5));
}

std::string Exchange::session_cookie() const {
  const std::string& new_cookie = connector_->new_cookie();
  if (new_cookie.empty()) return {};
  const SessionCookie& cookie = pool_->settings().cookie;
  std::string text;
  text.reserve(cookie.name.size() + new_cookie.size() + cookie.path.size() + kAttributes);
  text.append(cookie.name).append("=").append(new_cookie).append("; Path=").append(cookie.path);
  if (cookie.max_age.count() > 0) text += "; Max-Age=" + std::to_string(cookie.max_age.count() / 1000);
  text += "; HttpOnly; SameSite=";
  text += cookie.same_site == "none" ? "None" : cookie.same_site == "strict" ? "Strict" : "Lax";
  const bool secure = cookie.secure == SessionCookie::Secure::Always ||
                      (cookie.secure == SessionCookie::Secure::Auto && request_.over_tls);
  if (secure) text += "; Secure";
  return text;
}

// The whole of an answer of limpet's own, with which the exchange ends.
void Exchange::send_answer(unsigned status, CloseReason reason, std::span<const wire::Field> extra,
                           std::string_view body) {
  response_.begun = true;
  ResponsePlan plan;
  plan.ends_request = true;
  plan.status = status;
  plan.extra = extra;
  plan.framing = wire::Framing::Length;
  plan.length = body.size();
  if (record_) record_->status = static_cast<std::uint16_t>(status);
  client_.send_head(plan);
  if (!request_.is_head) client_.send_body({&body, 1});
  if (!client_.flush()) return;
  finish(reason);
  state_ = State::Over;
  client_.exchange_over();
}

// The same, for what a page reads by script: pages of other origins may, too (Fetch, "CORS protocol").
void Exchange::send_readable_answer(CloseReason reason, std::string_view content_type, std::string_view body) {
  const std::string origin(head_->fields.find(wire::FieldName::Origin).value_or(""));
  const wire::Field extra[] = {{"Content-Type", content_type},
                               {"Cache-Control", "no-store"},
                               {"Access-Control-Allow-Origin", origin},
                               {"Access-Control-Allow-Credentials", "true"},
                               {"Vary", "Origin"}};
  send_answer(200, reason, {extra, origin.empty() ? 2U : 5U}, body);
}

void Exchange::answer(unsigned status, CloseReason reason, std::string_view text, std::string_view extra_name,
                      std::string_view extra_value) {
  if (response_.begun) {
    finish(reason);
    state_ = State::Over;
    return client_.abort(true);
  }
  const std::string body = text.empty() ? "" : std::string(text) + "\n";
  const wire::Field extra[] = {{"Content-Type", "text/plain; charset=utf-8"}, {extra_name, extra_value}};
  send_answer(status, reason, {extra, extra_name.empty() ? 1U : 2U}, body);
}

void Exchange::answer_unavailable(unsigned status, CloseReason reason) {
  const std::string_view text = status == 503   ? "no backend is available"
                                : status == 504 ? "the backend did not answer in time"
                                                : "the backend refused or broke off";
  if (status == 503 || wants_event_stream()) return answer_come_again(status, reason, text);
  answer(status, reason, text);
}

void Exchange::answer_come_again(unsigned status, CloseReason reason, std::string_view text) {
  if (!wants_event_stream() || response_.begun) return answer(status, reason, text, "Retry-After", retry_after());
  // One such status would end the client's EventSource for good.
  const auto& sse = record_ != nullptr ? record_->route->sse : RouteSettings().sse;
  const auto wait = sse.retry.count() + static_cast<std::int64_t>(worker_.random().fraction() *
                                                                  static_cast<double>(sse.retry_jitter.count()));
  send_readable_answer(reason, "text/event-stream", "retry: " + std::to_string(wait) + "\n\n");
}

// The learned session's backend no longer serves it: its key's turn has come, or nobody listens there. An id is closed
// only where the client is told so. What no backend took gets 503, so that nobody thinks it arrived.
void Exchange::answer_gone() {
  const auto close = [this] {
    worker_.shared().affinity.forget(*pool_, connector_->request().learned_id, true, worker_.now());
  };
  switch (request_.carried_id) {
  case CarriedId::EngineIoPoll:
    close();
    return answer_engine_io_close();
  case CarriedId::Header:
    close();
    return answer(404, CloseReason::Moved, "this session has ended");
  case CarriedId::EngineIo:
  case CarriedId::None:
    break;
  }
  answer_come_again(503, CloseReason::Moved, "this session has moved");
}

void Exchange::answer_engine_io_close() {
  const auto close = wire::engine_io_close(head_->query());
  send_readable_answer(CloseReason::Moved, close.content_type, close.body);
}

}  // namespace limpet::session
