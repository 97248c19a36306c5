// SPDX-License-Identifier: Apache-2.0
// What a relay does that is not done for every message: FIN and reset, interest, time, and the one place where it ends.
#include "proxy/session/relay.h"

namespace limpet::session {

using net::IoStatus;

namespace {

constexpr int kLooksPerWait = 20;  // while it is held by a peer that takes or says something

}  // namespace

Relay::Relay(Worker& worker, std::unique_ptr<SessionRecord> record, std::unique_ptr<net::Stream> client,
             Outlet to_client, std::unique_ptr<net::Stream> backend)
    : worker_(worker), record_(std::move(record)), client_(std::move(client)), backend_(std::move(backend)) {
  client_.outlet = std::move(to_client);
  record_->handed_to(*this);
}

Relay::~Relay() = default;

void Relay::listen_to_both() {
  client_.last_heard = backend_.last_heard = worker_.now();
  client_.stream->set_handler(this);
  backend_.stream->set_handler(this);
}

std::uint64_t Relay::high_water(const End&) const {
  return route().http.high_water;
}

// --- what comes from the streams ---

void Relay::on_refused(net::Stream& stream, IoStatus status) {
  if (over_) return;
  End& end = &stream == client_.stream.get() ? client_ : backend_;
  if (status == IoStatus::Reset) {
    on_lost(end);
  } else {
    look_by(stall_due(end));
  }
  if (!over_) update_interest();
}

void Relay::not_read(End& from, IoStatus status) {
  switch (status) {
  case IoStatus::Eof:
    from.eof = true;
    return on_fin(from);
  case IoStatus::Reset:
    return on_lost(from);
  case IoStatus::Ok:
  case IoStatus::WouldBlock:
    return;
  }
}

void Relay::flush(End& to) {
  if (to.outlet.empty()) return;
  if (to.outlet.flush(worker_, *to.stream) == IoStatus::Reset) return on_lost(to);
  if (to.outlet.empty() && to.shut) {
    to.stream->shut_write();
    finish_if_done();
  }
}

void Relay::compute_interest(bool waits) {
  waited_ = waits;
  client_eof_seen_ = client_.eof;
  backend_eof_seen_ = backend_.eof;
  for (End* from : {&client_, &backend_}) {
    if (from->stream == nullptr) continue;
    const End& to = other(*from);
    const bool full = to.outlet.pending() > high_water(to);
    if (full && !from->paused) worker_.cells().backpressure_pauses.add();
    from->paused = full;
    from->stream->watch(!from->eof && !full, !from->outlet.empty());
  }
}

// --- ends ---

void Relay::shut(End& to) {
  if (to.shut || to.stream == nullptr) return;
  to.shut = true;
  if (all_taken(to)) to.stream->shut_write();
}

bool Relay::all_taken(End& end) {
  if (end.stream != nullptr && end.outlet.send_posted(worker_) == IoStatus::Reset) torn_ = true;
  return end.outlet.empty();
}

void Relay::release(End& end) {
  end.eof = end.shut = true;
  if (end.stream == nullptr) return;
  if (end.outlet.send_posted(worker_) == IoStatus::Reset || !end.outlet.empty()) torn_ = true;
  end.outlet.drop(worker_);
  worker_.retire(std::move(end.stream));
}

void Relay::release_by_reset(End& end) {
  torn_ = true;
  if (end.stream != nullptr) end.stream->close_with_reset();
  release(end);
}

void Relay::probe(End& end) {
  end.probed = true;
  if (end.stream != nullptr) end.stream->probe_when_idle();
}

void Relay::finish_if_done() {
  if (over_) return;
  const auto done = [](const End& end) { return end.stream == nullptr || (end.eof && end.shut && end.outlet.empty()); };
  if (done(client_) && done(backend_)) finish(end_reason_);
}

void Relay::finish(CloseReason reason) {
  if (over_) return;
  over_ = true;
  disarm();
  release(client_);
  release(backend_);
  if (dismissed_ && torn_) reason = CloseReason::Cut;
  before_finish(reason);
  record_->finish(reason);
  worker_.retire(*this);
}

// --- time ---

void Relay::on_timer() {
  if (over_) return;
  on_time(worker_.now());
  if (over_) return;
  arm();
  update_interest();
}

void Relay::arm() {
  const Time next = next_look(worker_.now());
  if (next == Time::max()) {
    disarm();
  } else {
    worker_.wheel().arm(*this, next);
  }
}

Relay::Delivery Relay::delivery(Time now, bool to_the_end) {
  Delivery result;
  for (End* end : {&client_, &backend_}) {
    if (end->stream == nullptr) continue;
    if (to_the_end ? !end->outlet.unacknowledged(*end->stream, now) : end->outlet.empty()) continue;
    result.complete = false;
    if (!end->outlet.stalled(*end->stream, now, route().http.stall_timeout)) {
      result.next_look = std::min(result.next_look, stall_due(*end));
    } else if (result.stalled == nullptr) {
      result.stalled = end;
    }
  }
  return result;
}

void Relay::begin_wait() {
  const Time now = worker_.now();
  if (ending_since_ == Time{} || ending_since_ > now) ending_since_ = now;
  owed_at_ = now;
}

Time Relay::wait_over(Time now, const Delivery& delivered, Duration limit, Time heard, Time cap) {
  const Time soon = now + std::max<Duration>(limit / kLooksPerWait, TimerWheel::kTick);
  if (!delivered.complete) {
    owed_at_ = now;
    return now >= cap ? now : std::min(soon, cap);
  }
  owed_at_ = std::max(owed_at_, std::min(heard, cap - limit));
  return heard == Time{} ? owed_at_ + limit : std::min(owed_at_ + limit, soon);
}

}  // namespace limpet::session
