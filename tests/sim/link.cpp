// SPDX-License-Identifier: Apache-2.0
// See link.h. The actor is called from events of the queue alone, never from within the proxy or its own calls.
#include "tests/sim/link.h"

#include <algorithm>

#include "tests/sim/sim_stream.h"
#include "tests/sim/world.h"

namespace limpet::sim {

namespace {

constexpr std::size_t kSegment = 16 * 1024;
constexpr Duration kProbesFail = std::chrono::seconds(60);

}  // namespace

Link::Link(World& world, std::uint64_t id, Actor& actor, const LinkNature& nature, std::uint64_t seed)
    : world_(world), id_(id), actor_(actor), nature_(nature), dice_(seed) {}

// --- the actor's calls ---

void Link::send(std::string_view bytes) {
  if (actor_closed_ || to_proxy_.fin_wanted || bytes.empty()) return;
  to_proxy_.queue += bytes;
  to_proxy_.total += bytes.size();
  transmit(to_proxy_);
}

void Link::shut() {
  if (actor_closed_ || to_proxy_.fin_wanted) return;
  to_proxy_.fin_wanted = true;
  transmit(to_proxy_);
  world_.plan({}, [self = shared_from_this()] {
    if (self->fin_told_) self->tell_closed(false);
  });
}

void Link::reset() {
  if (actor_closed_) return;
  send_reset(to_proxy_);
  to_actor_.closed = true;
  world_.count("reset by an actor");
  if (!backend.empty()) world_.commons().troubles.befall_all(world_.now());  // whoever was on it
  tell_closed(true);
}

void Link::close() {
  if (actor_closed_) return;
  if (!to_actor_.arrived.empty()) return reset();
  to_actor_.closed = true;
  to_proxy_.fin_wanted = true;
  transmit(to_proxy_);
  tell_closed(false);
}

void Link::reads_at(std::uint64_t bytes_per_second) {
  rate_ = bytes_per_second;
  world_.cancel(reading_);
  reading_ = 0;
  world_.plan({}, [self = shared_from_this()] { self->feed_actor(); });
}

// --- the proxy's calls ---

std::size_t Link::write(const char* bytes, std::size_t size) {
  if (!backend.empty() && stuck()) world_.wrong(*this);  // of whoever comes to it now
  const std::size_t room = nature_.send_buffer - std::min(nature_.send_buffer, to_actor_.unacknowledged());
  std::size_t taken = std::min(size, room);
  if (taken > 1 && nature_.may_write_short && dice_.chance(0.1)) {
    taken = dice_.between(1, taken);
    world_.count("short write");
  }
  for (std::size_t i = taken - std::min<std::size_t>(taken, 4); i < taken; ++i) {
    last_bytes = last_bytes << 8 | static_cast<unsigned char>(bytes[i]);
  }
  to_actor_.queue.append(bytes, taken);
  to_actor_.total += taken;
  transmit(to_actor_);
  return taken;
}

void Link::shut_from_proxy() {
  if (to_actor_.fin_wanted) return;
  to_actor_.fin_wanted = true;
  transmit(to_actor_);
}

void Link::detach(bool with_reset) {
  stream_ = nullptr;
  proxy_closed_ = true;
  to_proxy_.closed = true;
  if (!open_) actor_closed_ = true;  // a dial that was given up: nobody has heard of it
  if (to_proxy_.reset_arrived || !open_) return end_if_over();
  if (with_reset || !to_proxy_.arrived.empty()) {
    world_.count("reset by the proxy");
    send_reset(to_actor_);
  } else {
    shut_from_proxy();
  }
  end_if_over();
}

// --- on the way ---

std::size_t Link::segment_size(std::size_t available) {
  const std::size_t most = std::min(available, kSegment);
  switch (nature_.splits) {
  case LinkNature::Splits::Whole:
    return most;
  case LinkNature::Splits::Tiny:
    return available > 600 ? most : std::min<std::size_t>(most, dice_.between(1, 7));
  case LinkNature::Splits::AnySize:
    return dice_.chance(0.5) ? most : dice_.between(1, most);
  case LinkNature::Splits::LastByteLate:
    return most > 1 && dice_.chance(0.6) ? most - dice_.between(1, std::min<std::size_t>(3, most - 1)) : most;
  }
  return most;
}

void Link::transmit(Pipe& pipe) {
  if (pipe.reset_sent || !open_) return;
  while (!pipe.queue.empty() && pipe.arrived.size() + pipe.flying < nature_.window) {
    const std::size_t room = nature_.window - pipe.arrived.size() - pipe.flying;
    if (room < std::min(pipe.queue.size(), nature_.window / 4)) break;  // as TCP avoids silly windows
    const std::size_t size = segment_size(std::min(pipe.queue.size(), room));
    if (size < pipe.queue.size()) world_.count("split");
    Time at = world_.now() + nature_.latency + dice_.between(Duration{0}, nature_.jitter);
    const Duration apart = size < 600 && dice_.chance(0.2) ? nature_.jitter / 4 : Duration{};
    if (!pipe.flight.empty()) at = std::max(at, pipe.flight.back().at + apart);
    pipe.flight.push_back({world_.at_grain(at, nature_.grain), pipe.queue.substr(0, size)});
    pipe.queue.erase(0, size);
    pipe.flying += size;
  }
  if (pipe.queue.empty() && pipe.fin_wanted && !pipe.fin_sent) {
    pipe.fin_sent = true;
    Time at = world_.now() + nature_.latency;
    if (!pipe.flight.empty()) at = pipe.flight.back().at + (dice_.chance(0.5) ? Duration{} : nature_.jitter);
    pipe.flight.push_back({world_.at_grain(at, nature_.grain), {}, true});
  }
  schedule(pipe);
}

void Link::send_reset(Pipe& pipe) {
  if (pipe.reset_sent) return;
  pipe.reset_sent = true;
  pipe.lose_queue();
  if (!open_) return;
  Time at = world_.now() + nature_.latency;
  if (!pipe.flight.empty()) at = std::max(at, pipe.flight.back().at);
  pipe.flight.push_back({world_.at_grain(at, nature_.grain), {}, false, true});
  schedule(pipe);
}

void Link::schedule(Pipe& pipe) {
  if (pipe.event != 0 || pipe.flight.empty() || stuck()) return;
  pipe.event = world_.plan_at(pipe.flight.front().at, [self = shared_from_this(), &pipe] { self->arrive(pipe); });
}

void Link::arrive(Pipe& pipe) {
  pipe.event = 0;
  if (pipe.flight.empty() || stuck()) return;
  const Pipe::Segment segment = std::move(pipe.flight.front());
  pipe.flight.pop_front();
  pipe.flying -= segment.bytes.size();
  schedule(pipe);
  const bool for_proxy = &pipe == &to_proxy_;
  if (!for_proxy && stream_ != nullptr) stream_->mark();  // there is room in the send buffer again
  if (pipe.closed) {                                      // nobody is there
    pipe.lost += segment.bytes.size();
    Pipe& back = for_proxy ? to_actor_ : to_proxy_;
    if (!segment.bytes.empty() && !back.reset_sent) {
      world_.count("bytes for a closed end");
      send_reset(back);
    }
    transmit(pipe);
    return end_if_over();
  }
  if (segment.reset) {
    pipe.reset_arrived = true;
    (for_proxy ? to_actor_ : to_proxy_).lose_queue();
  }
  if (segment.fin) pipe.fin_arrived = true;
  pipe.arrived += segment.bytes;
  if (for_proxy) {
    if (segment.reset && nature_.reset_destroys) {
      if (!pipe.arrived.empty()) world_.count("reset destroys unread bytes");
      pipe.arrived.clear();
    }
    if (stream_ != nullptr) stream_->mark();
    if (segment.reset && actor_closed_ && proxy_closed_) end_if_over();
    world_.note_arrival(*this, for_proxy, segment.bytes.size(), segment.fin, segment.reset);
    return;
  }
  world_.note_arrival(*this, for_proxy, segment.bytes.size(), segment.fin, segment.reset);
  arrive_at_actor(segment);
}

void Link::arrive_at_actor(const Pipe::Segment& segment) {
  if (segment.reset) {
    to_actor_.arrived.clear();
    return tell_closed(true);
  }
  feed_actor();
}

// Gives the actor what it takes now, at its pace.
void Link::feed_actor() {
  if (actor_closed_ || silent_) return;
  Pipe& pipe = to_actor_;
  if (!pipe.arrived.empty() && rate_ > 0 && reading_ == 0) {
    const bool slow = rate_ != UINT64_MAX;
    const std::size_t most = slow ? std::max<std::uint64_t>(1, rate_ / 20) : pipe.arrived.size();
    const std::string bytes = pipe.arrived.substr(0, most);
    pipe.arrived.erase(0, bytes.size());
    if (slow) {
      const auto takes = Duration(static_cast<Duration::rep>(bytes.size() * 1'000'000'000 / rate_));
      reading_ = world_.plan_at(world_.now() + takes, [self = shared_from_this()] {
        self->reading_ = 0;
        self->feed_actor();
      });
    }
    transmit(pipe);
    actor_.on_bytes(*this, bytes);
    if (actor_closed_) return;
  }
  if (pipe.arrived.empty() && pipe.fin_arrived && !fin_told_) {
    fin_told_ = true;
    actor_.on_fin(*this);
    if (to_proxy_.fin_wanted) tell_closed(false);
  }
}

void Link::tell_closed(bool by_reset) {
  if (actor_closed_) return;
  actor_closed_ = true;
  to_actor_.closed = true;
  world_.cancel(reading_);
  world_.plan({}, [self = shared_from_this(), by_reset] {
    if (!self->silent_) self->actor_.on_closed(*self, by_reset);
    self->end_if_over();
  });
}

void Link::open() {
  open_ = true;
  if (actor_closed_ || silent_) return;
  actor_.on_open(*this);
  transmit(to_proxy_);
}

void Link::open_soon() {
  open_ = true;
  world_.plan({}, [self = shared_from_this()] { self->open(); });
}

void Link::refuse() {
  proxy_closed_ = true;
  if (!actor_closed_ && !silent_) {
    actor_closed_ = true;
    actor_.on_refused(*this);
  }
  end_if_over();
}

// --- the weather ---

void Link::clog() {
  clogged_ = true;
  for (Pipe* pipe : {&to_proxy_, &to_actor_}) {
    world_.cancel(pipe->event);
    pipe->event = 0;
  }
}

void Link::unclog() {
  clogged_ = false;
  for (Pipe* pipe : {&to_proxy_, &to_actor_}) schedule(*pipe);
}

void Link::go_dark() {
  dark_ = true;
  clog();
  mind_darkness();
}

// Whoever asked the kernel to probe learns of it.
void Link::mind_darkness() {
  if (!dark_ || !probed_ || proxy_closed_) return;
  world_.plan(kProbesFail, [self = shared_from_this()] {
    if (self->over_ || self->proxy_closed_) return;
    self->world_.count("probes find a dark link");
    self->to_proxy_.reset_arrived = true;
    if (self->stream_ != nullptr) self->stream_->mark();
  });
}

void Link::break_off() {
  if (over_) return;
  for (Pipe* pipe : {&to_proxy_, &to_actor_}) {
    world_.cancel(pipe->event);
    pipe->event = 0;
    pipe->flight.clear();
    pipe->lost += std::exchange(pipe->flying, 0);
    pipe->lose_queue();
    pipe->reset_sent = true;
  }
  to_proxy_.reset_arrived = true;
  if (nature_.reset_destroys) to_proxy_.arrived.clear();
  if (stream_ != nullptr) stream_->mark();
  tell_closed(true);
}

void Link::abandon() {
  silent_ = true;
  if (!actor_closed_) {
    dark_ = clogged_ = false;
    actor_closed_ = true;
    to_actor_.closed = true;
    send_reset(to_proxy_);
  }
  end_if_over();
}

void Link::end_if_over() {
  if (over_ || !actor_closed_ || !proxy_closed_) return;
  over_ = true;
  for (Pipe* pipe : {&to_proxy_, &to_actor_}) world_.cancel(pipe->event);
  world_.forget(*this);
}

}  // namespace limpet::sim
