// SPDX-License-Identifier: Apache-2.0
// See weather.h.
#include "tests/sim/weather.h"

#include <algorithm>
#include <vector>

#include "tests/sim/world.h"

namespace limpet::sim {

using namespace std::chrono_literals;

Weather::Weather(World& world) : world_(world), dice_(world.scenario().seed * 7 + 5) {}

void Weather::again(Duration least, Duration most, void (Weather::*what)()) {
  world_.plan(dice_.between(least, most), [this, least, most, what] {
    if (over_) return;
    (this->*what)();
    again(least, most, what);
  });
}

void Weather::start() {
  const auto& weather = world_.scenario().weather;
  if (weather.clogs) again(100ms, 3s, &Weather::clog);
  if (weather.dark_links) again(1s, 5s, &Weather::go_dark);
  if (weather.breaks) again(200ms, 3s, &Weather::break_one);
  if (weather.breaks) again(3s, 10s, &Weather::break_host);
  if (weather.hosts_refuse || weather.hosts_dark || weather.full_queues) again(500ms, 6s, &Weather::host_state);
  if (weather.few_descriptors) again(500ms, 6s, &Weather::few_descriptors);
}

// Swizzle-clog: some links, one after the other, and loose again in another order.
void Weather::clog() {
  world_.count("clog");
  for (const auto& [id, link] : world_.links()) {
    if (!dice_.chance(0.3)) continue;
    world_.plan(dice_.between(0ns, 500ms), [this, link = link] {
      if (link->is_over()) return;
      world_.trace("#" + std::to_string(link->id()) + " is clogged");
      world_.wrong(*link);
      link->clog();
    });
    world_.plan(dice_.between(500ms, 4s), [this, link = link] {
      if (link->is_over() || link->is_dark()) return;
      world_.trace("#" + std::to_string(link->id()) + " flows again");
      world_.wrong(*link);
      link->unclog();
    });
  }
}

void Weather::go_dark() {
  auto& links = world_.links();
  if (links.empty()) return;
  auto at = links.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(dice_.below(links.size())));
  world_.count("a link goes dark");
  world_.trace("#" + std::to_string(at->first) + " goes dark");
  world_.wrong(*at->second);
  at->second->go_dark();
}

void Weather::break_one() {
  auto& links = world_.links();
  if (links.empty()) return;
  auto at = links.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(dice_.below(links.size())));
  world_.count("a link breaks");
  const auto link = at->second;
  world_.trace("#" + std::to_string(at->first) + " breaks");
  world_.wrong(*link);
  link->break_off();
}

// A backend's process dies: all its connections, and for a while nobody listens.
void Weather::break_host() {
  auto& hosts = world_.hosts();
  Host& host = hosts[dice_.below(hosts.size())];
  world_.count("a backend dies");
  world_.trace(host.name + " dies");
  host.state = Host::State::Refuses;
  const auto links = world_.links();
  for (const auto& [id, link] : links) {
    if (link->backend != host.name || !link->is_open()) continue;
    world_.wrong(*link);
    link->break_off();
  }
  world_.plan(dice_.between(100ms, 3s), [this, &host] {
    if (!over_) host.state = Host::State::Up;
  });
}

void Weather::host_state() {
  const auto& weather = world_.scenario().weather;
  std::vector<Host::State> states;
  if (weather.hosts_refuse) states.push_back(Host::State::Refuses);
  if (weather.hosts_dark) states.push_back(Host::State::Dark);
  if (weather.full_queues) states.push_back(Host::State::QueueFull);
  auto& hosts = world_.hosts();
  Host& host = hosts[dice_.below(hosts.size())];
  host.state = states[dice_.below(states.size())];
  world_.trace(host.name + " takes no connects");
  world_.commons().troubles.befall_all(world_.now());
  world_.plan(dice_.between(100ms, 5s), [this, &host] {
    if (!over_) host.state = Host::State::Up;
  });
}

void Weather::few_descriptors() {
  world_.commons().troubles.befall_all(world_.now());
  world_.shorten_descriptors(dice_.below(world_.thread_count()), dice_.between(1ms, 1s));
}

}  // namespace limpet::sim
