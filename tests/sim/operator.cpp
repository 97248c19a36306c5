// SPDX-License-Identifier: Apache-2.0
// See operator.h.
#include "tests/sim/operator.h"

#include "tests/sim/world.h"

namespace limpet::sim {

using namespace std::chrono_literals;
using admin::DrainAction;
using admin::DrainOrder;

Operator::Operator(World& world) : world_(world), dice_(world.scenario().seed * 7 + 6) {}

void Operator::again(Duration least, Duration most, void (Operator::*what)()) {
  world_.plan(dice_.between(least, most), [this, least, most, what] {
    if (over_) return;
    (this->*what)();
    again(least, most, what);
  });
}

void Operator::start() {
  const auto& scenario = world_.scenario();
  const auto& orders = scenario.orders;
  if (scenario.is_pace) {
    world_.plan(5s, [this] { drain_all_at_pace(); });
    return;
  }
  if (orders.drains) {
    again(500ms, 5s, &Operator::drain);
    again(1s, 8s, &Operator::ready);
  }
  if (orders.drains && orders.acts) again(300ms, 3s, &Operator::act);
  if (orders.closes) again(1s, 6s, &Operator::close);
  if (orders.scrapes) again(300ms, 5s, &Operator::scrape);
  if (orders.scrapes) again(300ms, 5s, &Operator::ask);
  if (orders.stops) world_.plan(scenario.takes - 9s, [this] { stop_process(); });
}

const std::string& Operator::any_backend() {
  const auto& hosts = world_.hosts();
  return hosts[dice_.below(hosts.size())].name;
}

void Operator::drain(const std::string& backend, const DrainOrder& order) {
  admin::DrainPlan plan;
  const auto refusal = world_.core().drain("app", backend, order, plan);
  world_.trace("operator drains " + backend + (refusal ? ": " + refusal->why : ""));
  world_.count(refusal ? "drain refused" : order.dry_run ? "drain, dry" : order.soft ? "drain, soft" : "drain");
  if (!refusal && !order.dry_run) world_.checks().drain_began(backend, order, plan);
}

void Operator::drain() {
  DrainOrder order;
  order.over = std::chrono::milliseconds(dice_.between(0, 4000));
  order.deadline = order.over + std::chrono::milliseconds(dice_.between(0, 5000));
  order.soft = dice_.chance(0.15);
  order.whole_keys = dice_.chance(0.3);
  order.force = dice_.chance(0.2);
  order.dry_run = dice_.chance(0.1);
  drain(any_backend(), order);
}

void Operator::drain_all_at_pace() {
  DrainOrder order;
  order.over = 10s;
  order.deadline = 25s;
  drain(any_backend(), order);
}

void Operator::act() {
  const auto& backend = any_backend();
  const auto action = dice_.one_of({DrainAction::Pause, DrainAction::Resume, DrainAction::Hurry});
  if (!world_.core().drain_action("app", backend, action)) {
    world_.checks().drain_disturbed(backend);
    world_.count("drain paused, resumed or hurried");
  }
}

void Operator::ready(const std::string& backend) {
  world_.trace("operator readies " + backend);
  if (!world_.core().ready("app", backend)) world_.checks().made_ready(backend);
}

void Operator::ready() {
  world_.count("ready");
  ready(any_backend());
}

void Operator::close() {
  admin::SessionFilter filter;
  filter.pool = "app";
  if (dice_.chance(0.7)) filter.backend = any_backend();
  if (dice_.chance(0.5)) filter.min_age = 500ms;
  world_.core().close(filter, [this](std::uint64_t closed) {
    world_.count("close");
    world_.trace("closing " + std::to_string(closed) + " sessions");
  });
}

void Operator::scrape() {
  world_.count("scrape");
  if (world_.core().metrics().empty()) world_.fail("metrics", "a scrape gives nothing");
  world_.core().status();
}

void Operator::ask() {
  world_.core().where("app", "u" + std::to_string(dice_.below(6)), [](const auto&) {});
  world_.core().sessions({}, [this](const auto& open) {
    for (const auto& session : open) {
      if (session.pool != "app" && !session.pool.empty()) world_.fail("sessions", "a session of no pool");
    }
    world_.count("sessions listed");
  });
}

void Operator::stop_process() {
  world_.count("stop");
  world_.trace("operator stops the process");
  world_.checks().process_leaves();
  excuse();
  world_.core().stop();
}

// From here on nobody is served for good.
void Operator::excuse() {
  world_.commons().troubles.befall_all(world_.now());
  world_.plan(500ms, [this] { excuse(); });
}

void Operator::stop() {
  over_ = true;
  for (const auto& host : world_.hosts()) ready(host.name);
}

}  // namespace limpet::sim
