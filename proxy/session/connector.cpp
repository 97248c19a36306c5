// SPDX-License-Identifier: Apache-2.0
// From a pick to a stream, and what happens on the way: a refusal, a time-out, a key that moves, a backend that goes
// down.
#include "proxy/session/connector.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/base/planted_fault.h"
#include "proxy/session/worker.h"

namespace limpet::session {

namespace {

// Nobody listens there. What else keeps a connect from succeeding (a route, a full queue) does not end a session that
// lives on its backend.
bool means_nobody_listens(int error) {
  return error == ECONNREFUSED || error == ENOENT;  // of a unix socket
}

}  // namespace

Connector::~Connector() {
  stop();
}

void Connector::start() {
  SessionRefs departing;
  const auto pick =
      worker_.shared().affinity.reserve(record_.member, request_, worker_.random(), worker_.now(), departing);
  worker_.shared().dismiss(departing, CloseReason::Moved);
  picked(pick);
}

void Connector::reopen(bool fresh) {
  if (has_to_follow()) return pick_again(false);
  dial(fresh);
}

void Connector::stop() {
  worker_.retire(end_connect());
}

bool Connector::key_moved() {
  if (stream_ == nullptr || planted(Planted::TurnIgnored)) return true;
  if (may_stay() || !worker_.shared().affinity.may_follow(record_.member, request_.tried)) return false;
  stop();
  pick_again(false);
  return true;
}

bool Connector::has_to_follow() {
  auto& affinity = worker_.shared().affinity;
  return !may_stay() && !affinity.is_still_placed(record_.member) &&
         affinity.may_follow(record_.member, request_.tried);
}

void Connector::backend_down(const Backend& backend) {
  if (stream_ == nullptr || record_.member.backend != &backend) return;
  if (!request_.pool->view().has_available_besides(backend, request_.tried)) return;
  stop();
  pick_again(true);
}

// The key has moved or has to: leave the old place and follow it. `draws_again`: a session cookie that was drawn leads
// to a backend that is no longer there.
void Connector::pick_again(bool draws_again) {
  auto& affinity = worker_.shared().affinity;
  key_moved_ = key_moved_ || !affinity.is_still_placed(record_.member);
  if (!request_.has_key && !(draws_again && !new_cookie_.empty())) {
    request_.key = Affinity::key_of(record_.member);
    request_.has_key = !request_.key.empty();
  }
  SessionRefs departing;
  affinity.release(record_.member, worker_.now());
  auto pick = affinity.reserve(record_.member, request_, worker_.random(), worker_.now(), departing);
  worker_.shared().dismiss(departing, CloseReason::Moved);
  if (pick.new_cookie.empty()) pick.new_cookie = new_cookie_;
  picked(pick);
}

void Connector::picked(const Affinity::Pick& pick) {
  switch (pick.outcome) {
  case Affinity::Outcome::Gone:
    return owner_.not_opened(Failure::Gone);
  case Affinity::Outcome::NoBackend:
    return owner_.not_opened(Failure::NoBackend);
  case Affinity::Outcome::Picked:
    break;
  }
  new_cookie_ = pick.new_cookie;
  learned_ = pick.reason == metrics::PickReason::Learned;
  if (record_.counted()) {
    record_.repicked(pick.reason);
  } else {
    record_.picked(pick.reason);
  }
  dial(false);
}

void Connector::dial(bool fresh) {
  const Backend& to = *record_.member.backend;
  if (reuse_.client != nullptr && !fresh) {
    if (auto bound = worker_.bound_upstreams().take(*reuse_.client, to)) {
      if (!reuse_.must_be_silent || bound->silent()) return opened(std::move(bound), Origin::Bound);
      worker_.retire(std::move(bound));
      return owner_.not_opened(Failure::LoginLost);
    }
    if (reuse_.shared) {
      auto kept = worker_.upstreams().take(to, reuse_.number, reuse_.must_be_silent);
      if (kept != nullptr) return opened(std::move(kept), Origin::Kept);
    }
  }
  auto dialled = worker_.dial({to.address});
  if (!dialled) {
    if (dialled.error().fault != Fault::Local) return failed(Failure::Refused, dialled.error().code);
    if (worker_.may_warn()) log::warn("cannot connect", {{"backend", to.name}, {"why", dialled.error().what}});
    return owner_.not_opened(Failure::Local);
  }
  if (!dialled.value()->connecting()) return opened(std::move(dialled).value(), Origin::New);
  begin_connect(std::move(dialled).value());
}

void Connector::begin_connect(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  stream_->set_handler(this);
  stream_->watch(false, true);
  worker_.wheel().arm(*this, worker_.now() + request_.pool->settings().connect_timeout);
  Connector*& first = worker_.connecting().first_;
  next_ = first;
  if (next_ != nullptr) next_->previous_ = this;
  first = this;
}

std::unique_ptr<net::Stream> Connector::end_connect() {
  if (stream_ == nullptr) return nullptr;
  disarm();
  (previous_ != nullptr ? previous_->next_ : worker_.connecting().first_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  previous_ = next_ = nullptr;
  return std::move(stream_);
}

void Connector::on_ready(net::Stream&, bool, bool) {
  if (stream_ == nullptr) return;
  if (const auto why = stream_->failure()) return failed(Failure::Refused, why->code);
  auto stream = end_connect();
  // Its key may have moved without its having heard of it yet.
  if (!planted(Planted::TurnIgnored) && has_to_follow()) {
    worker_.retire(std::move(stream));
    return pick_again(false);
  }
  opened(std::move(stream), Origin::New);
}

void Connector::on_timer() {
  failed(Failure::TimedOut, ETIMEDOUT);
}

void Connector::opened(std::unique_ptr<net::Stream> stream, Origin origin) {
  stream->set_handler(nullptr);
  owner_.opened({std::move(stream), origin, std::exchange(key_moved_, false)});
}

// On to the next of the ranking. A learned session has none: it lives on its backend, and is gone where nobody listens
// there any more; but a learned cookie counts as absent then, and the request goes by the next rule.
void Connector::failed(Failure why, int error) {
  Backend& backend = *record_.member.backend;
  worker_.shared().observed(backend, false);
  stop();
  if (learned_ && !means_nobody_listens(error)) return owner_.not_opened(why);
  request_.tried.push_back(backend.id);
  auto& affinity = worker_.shared().affinity;
  key_moved_ = key_moved_ || !affinity.is_still_placed(record_.member);
  SessionRefs departing;
  Affinity::Pick pick;
  const bool is_absent = learned_ && request_.counts_as_absent;
  const bool draws_again = !request_.has_key && !learned_ && !new_cookie_.empty();  // it leads to the failed backend
  if (!draws_again) pick = affinity.reserve_next(record_.member, request_, worker_.now(), departing);
  if (is_absent) {
    affinity.forget(*request_.pool, request_.learned_id, false, worker_.now());
    request_.learned_id.clear();
  }
  if (draws_again || is_absent) {
    affinity.release(record_.member, worker_.now());
    pick = affinity.reserve(record_.member, request_, worker_.random(), worker_.now(), departing);
    pick.reason = metrics::PickReason::Fallback;
  }
  worker_.shared().dismiss(departing, CloseReason::Moved);
  if (learned_ && !is_absent) {
    if (pick.outcome == Affinity::Outcome::Picked) record_.repicked(pick.reason);  // its end counts where it stands now
    return owner_.not_opened(Failure::Gone);
  }
  if (pick.outcome != Affinity::Outcome::Picked) return owner_.not_opened(why);
  picked(pick);
}

void Connecting::backend_down(const Backend& backend) {
  // Those that leave begin anew, at the head of the list; none is destroyed before the round is over.
  std::vector<Connector*> all;
  for (Connector* each = first_; each != nullptr; each = each->next_) all.push_back(each);
  for (Connector* each : all) each->backend_down(backend);
}

}  // namespace limpet::session
