// SPDX-License-Identifier: Apache-2.0
// See health_checks.h. Each backend has a Probe for good: a connection that is made anew for each check, and the state
// machine that hears of its outcome. A probe ends a check in its stream's callback but destroys the stream at the next
// tick, since no stream may be destroyed in its own callback.
#include "proxy/server/health_checks.h"

#include <algorithm>
#include <string>

#include "proxy/base/log.h"
#include "proxy/wire/http/http1.h"

namespace limpet::server {

using session::Backend;
using session::BackendHealth;
using Check = session::HealthSettings::Check;

namespace {

constexpr std::size_t kMostHead = 16384;  // bytes of an answer's head, and of the interim ones before it
constexpr Duration kStep = std::chrono::milliseconds(50);  // of what changes gradually
constexpr Duration kPause = std::chrono::milliseconds(5);  // between ticks, each of which looks at all backends

balancer::HealthSettings machine_settings(const session::HealthSettings& from) {
  balancer::HealthSettings settings;
  settings.active = from.check != Check::None;
  settings.rise = from.rise;
  settings.fall = from.fall;
  settings.eject_after = from.eject_after;
  settings.eject_for = from.eject_for;
  settings.slow_start = from.slow_start;
  return settings;
}

}  // namespace

class HealthChecks::Probe final : public net::StreamHandler {
 public:
  Probe(net::Loop& loop, net::Transport& transport, Backend& backend)
      : backend(backend),
        settings(backend.pool.settings().health),
        state(machine_settings(settings)),
        loop_(loop),
        transport_(transport) {}

  void begin(Time now) {
    next = now + settings.interval;
    until_ = now + settings.timeout;
    auto connecting = transport_.dial(loop_, {backend.address});
    if (!connecting) {
      if (connecting.error().fault == Fault::Upstream) conclude(false);
      return;  // want of descriptors or ports here says nothing of the backend
    }
    stream_ = std::move(connecting).value();
    stream_->set_handler(this);
    stream_->watch(false, true);
    connected_ = false;
    input_.clear();
  }

  void on_ready(net::Stream&, bool readable, bool) override {
    if (outcome != Outcome::None) return;
    if (!connected_) {
      if (stream_->failure()) return conclude(false);
      if (settings.check == Check::Tcp) return conclude(true);
      connected_ = true;
      const std::string request = "GET " + settings.path + " HTTP/1.1\r\nHost: " + host() +
                                  "\r\nUser-Agent: limpet\r\nConnection: close\r\n\r\n";
      const iovec piece{const_cast<char*>(request.data()), request.size()};
      if (stream_->write(&piece, 1).status != net::IoStatus::Ok) return conclude(false);
      stream_->watch(true, false);
      return;
    }
    if (readable) read();
  }

  void give_up_if_late(Time now) {
    if (stream_ != nullptr && outcome == Outcome::None && now >= until_) conclude(false);
  }

  // Destroys the connection of a concluded check; never from within its own callback.
  void clean_up() {
    if (outcome != Outcome::None) stream_.reset();
  }
  bool under_way() const { return stream_ != nullptr; }

  // When it wants the next tick.
  Time due(Time now) const {
    if (outcome != Outcome::None) return now + kPause;
    Time at = Time::max();
    if (settings.check != Check::None) at = under_way() ? until_ : next;
    const bool changes = state.health() == balancer::Health::Ejected || state.ramp(now) < 1;
    return std::max(now + kPause, changes ? std::min(at, now + kStep) : at);
  }

  enum class Outcome : std::uint8_t { None, Good, Bad };

  Backend& backend;
  const session::HealthSettings settings;
  balancer::HealthState state;
  Outcome outcome = Outcome::None;
  Time next{};

 private:
  // Its own address is what a server that answers for known hosts alone is asked by.
  std::string host() const {
    if (!settings.host.empty()) return settings.host;
    return backend.address.is_unix() ? "localhost" : backend.address.text();
  }

  void read() {
    char bytes[4096];
    const auto got = stream_->read(bytes, sizeof bytes);
    if (got.status == net::IoStatus::WouldBlock) return;
    if (got.status != net::IoStatus::Ok) return conclude(false);
    input_.append(bytes, got.n);
    wire::ResponseHead head;
    auto result = wire::parse_response_head(input_, {kMostHead, 128}, "GET", head);
    // Interim responses (RFC 9110 §15.2) come before the answer.
    for (std::size_t seen = 0; result.status == wire::Status::Done && head.status < 200 && head.status != 101;) {
      seen += result.consumed;
      if (seen > kMostHead) return conclude(false);
      result = wire::parse_response_head(std::string_view(input_).substr(seen), {kMostHead, 128}, "GET", head);
    }
    if (result.status == wire::Status::NeedMore) return;
    conclude(result.status == wire::Status::Done && head.status >= 200 && head.status < 400);
  }

  void conclude(bool good) {
    outcome = good ? Outcome::Good : Outcome::Bad;
    if (stream_ != nullptr) stream_->watch(false, false);
    loop_.tick_by(loop_.now() + kPause);
  }

  net::Loop& loop_;
  net::Transport& transport_;
  std::unique_ptr<net::Stream> stream_;
  std::string input_;
  Time until_{};
  bool connected_ = false;
};

HealthChecks::HealthChecks(net::Loop& loop, net::Transport& transport,
                           const std::vector<std::shared_ptr<session::Pool>>& pools)
    : loop_(loop) {
  for (const auto& pool : pools) {
    for (Backend* backend : pool->view().backends) {
      probes_.push_back(std::make_unique<Probe>(loop, transport, *backend));
    }
  }
}

HealthChecks::~HealthChecks() = default;

Time HealthChecks::tick(Time now) {
  Time due = Time::max();
  for (auto& probe : probes_) {
    probe->give_up_if_late(now);
    if (probe->outcome != Probe::Outcome::None) {
      const bool good = probe->outcome == Probe::Outcome::Good;
      probe->clean_up();
      probe->outcome = Probe::Outcome::None;
      probe->state.checked(good, now);
    }
    if (probe->settings.check != Check::None && !probe->under_way() && now >= probe->next) probe->begin(now);
    probe->state.tick(now);
    publish(*probe, now);
    due = std::min(due, probe->due(now));
  }
  return due;
}

void HealthChecks::observed(const Backend& backend, bool good, Time now) {
  for (auto& probe : probes_) {
    if (&probe->backend != &backend) continue;
    probe->state.observed(good, may_eject(backend.pool), now);
    probe->backend.has_failed_lately.store(!good, std::memory_order_relaxed);
    publish(*probe, now);
    loop_.tick_by(probe->due(now));
    return;
  }
}

// Never more than half the pool.
bool HealthChecks::may_eject(const session::Pool& pool) const {
  const auto& backends = pool.view().backends;
  const auto ejected = std::ranges::count_if(backends, [](const Backend* backend) {
    return backend->health.load(std::memory_order_relaxed) == BackendHealth::Ejected;
  });
  return 2 * (static_cast<std::size_t>(ejected) + 1) <= backends.size();
}

void HealthChecks::publish(Probe& probe, Time now) {
  const auto health = probe.state.health() == balancer::Health::Up     ? BackendHealth::Up
                      : probe.state.health() == balancer::Health::Down ? BackendHealth::Down
                                                                       : BackendHealth::Ejected;
  probe.backend.ramp.store(probe.state.ramp(now), std::memory_order_relaxed);
  if (probe.backend.health.exchange(health, std::memory_order_relaxed) == health) return;
  const char* word = health == BackendHealth::Up ? "up" : health == BackendHealth::Down ? "down" : "ejected";
  log::warn("backend health changed", {{"backend", probe.backend.name}, {"health", word}});
  if (health == BackendHealth::Down) on_down(probe.backend);
}

}  // namespace limpet::server
