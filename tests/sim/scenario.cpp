// SPDX-License-Identifier: Apache-2.0
// See scenario.h.
#include "tests/sim/scenario.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <memory>

namespace limpet::sim {

using namespace std::chrono_literals;
using session::KeySource;

namespace {

net::Address address_of_backend(unsigned index) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x0b000001U + index);
  address.sin_port = htons(9000);
  return net::Address(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

std::chrono::milliseconds ms(std::uint64_t from, std::uint64_t to, Dice& dice) {
  return std::chrono::milliseconds(dice.between(from, to));
}

// Times are short, so that much happens in a minute.
session::Settings draw_settings(Dice& dice, bool small, unsigned backends) {
  session::Settings settings;
  auto pool = std::make_shared<session::PoolSettings>();
  pool->name = "app";
  pool->algorithm =
      dice.one_of({balancer::Algorithm::Ring, balancer::Algorithm::Maglev, balancer::Algorithm::Rendezvous});
  pool->balance = dice.one_of({balancer::Balance::LeastSessions, balancer::Balance::RoundRobin});
  pool->linger = ms(0, 3000, dice);
  pool->connect_timeout = ms(300, 2000, dice);
  pool->keepalive_timeout = ms(500, 10'000, dice);
  pool->keepalive_connections = static_cast<unsigned>(dice.one_of({0, 1, 4, 64}));
  pool->learn_ttl = 10s;
  pool->keys = {{KeySource::Kind::Header, "X-User", 0}, {KeySource::Kind::Header, "x-sim-key", 0}};
  pool->learn = {{session::LearnSource::Kind::EngineIo, ""}};
  pool->cookie.enabled = dice.chance(0.5);
  pool->health.check = dice.one_of({session::HealthSettings::Check::Tcp, session::HealthSettings::Check::None});
  pool->health.interval = 1s;
  pool->health.timeout = 500ms;
  pool->health.eject_after = static_cast<unsigned>(dice.between(2, 6));
  pool->health.eject_for = 3s;
  if (dice.chance(0.2)) pool->load_factor = 1.25;
  for (unsigned b = 0; b < backends; ++b) {
    pool->backends.push_back({"b" + std::to_string(b), address_of_backend(b), 1});
  }
  auto route = std::make_shared<session::RouteSettings>();
  route->pool = "app";
  route->websocket.ping_interval = dice.chance(0.7) ? ms(2000, 8000, dice) : 0ms;
  route->websocket.close_timeout = ms(500, 2000, dice);
  route->sse.heartbeat = ms(1000, 5000, dice);
  route->sse.retry = 200ms;
  route->sse.retry_jitter = 800ms;
  route->long_poll.after = ms(500, 2000, dice);
  route->long_poll.timeout = 60s;  // a poll of Engine.IO waits for its ping, 25 s
  route->http.request_header_timeout = 5s;
  route->http.response_timeout = ms(20'000, 30'000, dice);
  route->http.stall_timeout = ms(3000, 10'000, dice);
  route->http.high_water = small ? 4096 : 64 * 1024;
  settings.routes.push_back(route);
  settings.pools.push_back(pool);
  session::ListenerSettings listener;
  listener.name = "web";
  listener.pool = "app";
  listener.keepalive_timeout = ms(2000, 20'000, dice);
  settings.listeners.push_back(listener);
  settings.proxy.drain_delay = 500ms;
  settings.proxy.drain_over = 3s;
  settings.proxy.drain_deadline = 8s;
  settings.proxy.crash_spread = ms(0, 2000, dice);
  return settings;
}

}  // namespace

Scenario Scenario::of(std::uint64_t seed) {
  Dice dice(seed ^ 0x5eedULL);
  Scenario scenario;
  scenario.seed = seed;
  scenario.is_pace = seed % 16 == 5;
  scenario.workers = static_cast<unsigned>(dice.between(1, 3));
  scenario.small_buffers = dice.chance(0.5);
  scenario.settings = draw_settings(dice, scenario.small_buffers, static_cast<unsigned>(dice.between(2, 4)));
  scenario.most_queued = 2 * (scenario.settings.routes[0]->http.high_water + 1024 * 1024 + 256 * 1024);
  if (dice.chance(0.5)) scenario.outbox = dice.one_of({64, 512, 4096});
  scenario.interleaves = dice.one_of({0.0, 0.05, 0.5});
  scenario.events_first = dice.one_of({0.3, 0.7, 0.95});
  scenario.dials_at_once = dice.one_of({0.0, 0.5, 1.0});

  scenario.latency = dice.one_of<Duration>({20us, 500us, 15ms, 120ms});
  scenario.grain = dice.one_of<Duration>({1ns, 100us, 5ms});
  scenario.tiny_splits = dice.chance(0.4);
  scenario.last_byte_late = dice.chance(0.4);
  scenario.resets_destroy = dice.chance(0.5);
  scenario.short_writes = dice.chance(0.4);
  scenario.addresses = static_cast<std::uint32_t>(dice.one_of({1, 8, 1000}));

  auto& weather = scenario.weather;
  for (bool* kind : {&weather.clogs, &weather.dark_links, &weather.breaks, &weather.hosts_refuse, &weather.hosts_dark,
                     &weather.full_queues, &weather.few_descriptors}) {
    *kind = dice.chance(0.3);
  }
  auto& orders = scenario.orders;
  orders.drains = dice.chance(0.7);
  orders.acts = dice.chance(0.4);
  orders.closes = dice.chance(0.3);
  orders.scrapes = dice.chance(0.5);
  orders.stops = dice.chance(0.15);

  scenario.is_plain = scenario.is_pace || dice.chance(0.4);
  scenario.websockets = static_cast<unsigned>(dice.between(1, 12));
  scenario.requests = static_cast<unsigned>(dice.between(1, 12));
  // What follows later than limpet waits for it is the next answer to anyone.
  scenario.backends_say_too_much = dice.chance(0.12) && !scenario.is_pace;
  if (scenario.backends_say_too_much) {
    scenario.is_plain = true;
    scenario.latency = std::min<Duration>(scenario.latency, 500us);
    scenario.grain = std::min<Duration>(scenario.grain, 100us);
    scenario.small_buffers = scenario.tiny_splits = scenario.weather.clogs = false;
    scenario.requests += 4;
  }
  scenario.backends_die = dice.chance(0.4);
  scenario.backends_lie = dice.chance(0.2);
  scenario.takes = std::chrono::seconds(dice.between(10, 25));
  if (scenario.is_pace) {
    scenario.weather = {};
    scenario.orders = {};
    scenario.orders.drains = true;
    scenario.websockets = static_cast<unsigned>(dice.between(500, 700));
    scenario.requests = 2;
    scenario.settings.proxy.crash_spread = 0ms;
    scenario.latency = 500us;
    scenario.takes = 30s;
  }
  // Who gives up before an answer can have come back over such a link is not the proxy's to help.
  auto pool = std::make_shared<session::PoolSettings>(*scenario.settings.pools[0]);
  pool->connect_timeout =
      std::max(pool->connect_timeout, std::chrono::ceil<std::chrono::milliseconds>(5 * scenario.latency));
  // A poll comes back within this.
  pool->linger = std::max(pool->linger, std::chrono::ceil<std::chrono::milliseconds>(5 * scenario.latency));
  scenario.settings.pools[0] = pool;
  return scenario;
}

LinkNature Scenario::draw_link(Dice& dice) const {
  LinkNature nature;
  nature.latency = latency / 2 + dice.between(Duration{0}, latency);
  nature.jitter = latency / 2;
  nature.grain = grain;
  nature.send_buffer = small_buffers ? dice.between(1, 8) * 1024 : 64 * 1024;
  nature.window = small_buffers ? dice.between(1, 8) * 1024 : 64 * 1024;
  using Splits = LinkNature::Splits;
  nature.splits = dice.chance(0.5) ? Splits::Whole : Splits::AnySize;
  if (tiny_splits && dice.chance(0.3)) nature.splits = Splits::Tiny;
  if (last_byte_late && dice.chance(0.5)) nature.splits = Splits::LastByteLate;
  nature.reset_destroys = resets_destroy;
  nature.may_write_short = short_writes;
  nature.may_wake_for_nothing = dice.chance(0.3);
  return nature;
}

}  // namespace limpet::sim
