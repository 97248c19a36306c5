// SPDX-License-Identifier: Apache-2.0
// The fleet is drawn from a fixed seed: the same keys, manners and mixtures in every run.
#include "tests/e2e/drain_run.h"

#include <sys/resource.h>

#include <algorithm>
#include <random>
#include <stdexcept>

namespace limpet::e2e {
namespace {

constexpr double kComingUp = 60;    // seconds, beyond the ramp
constexpr double kDrainGrace = 30;  // seconds beyond `over`

}  // namespace

DrainRun::DrainRun(DrainPlan plan) : plan_(plan) {
  for (const char* name : {"b1", "b2", "b3"}) {
    Backend::Options options;
    options.name = name;
    options.traffic = plan_.traffic;
    backends_.push_back(std::make_unique<Backend>(loop_, log_, hub_, options));
  }
}

void DrainRun::make_fleet(std::uint16_t port) {
  std::mt19937 random(20);
  std::uint32_t client = 0;
  for (std::uint32_t key = 0; websockets_.size() < plan_.websockets; ++key) {
    const auto sessions = 1 + random() % 5;
    for (std::uint32_t session = 0; session < sessions; ++session, ++client) {
      const auto die = random() % 100;
      if (session == 0 || !plan_.mixed || die < 50) {
        const auto manner = die % 25 == 0  ? WsClient::Manner::NeverSays
                            : die % 3 == 0 ? WsClient::Manner::Lingers
                                           : WsClient::Manner::Prompt;
        const bool deflate = plan_.deflate && client % 2 == 0;
        websockets_.push_back(std::make_unique<WsClient>(
            loop_, log_, WsClient::Options{port, key, client, deflate, manner, plan_.traffic}));
        starts_.push_back([ws = websockets_.back().get()] { ws->connect(); });
      } else if (die < 75) {
        streams_.push_back(std::make_unique<EventClient>(loop_, log_, EventClient::Options{port, key, client}));
        starts_.push_back([stream = streams_.back().get()] { stream->connect(); });
      } else {
        polls_.push_back(
            std::make_unique<RequestClient>(loop_, log_, RequestClient::Options{port, key, client, "/poll", 0.3}));
        starts_.push_back([poll = polls_.back().get()] { poll->start(); });
      }
    }
  }
  std::shuffle(starts_.begin(), starts_.end(), random);
}

void DrainRun::ramp_up() {
  double at = 0;
  for (const auto& start : starts_) {
    loop_.after(at, start);
    at += 1 / plan_.connects_per_second;
  }
  if (!loop_.run_until([this, end = loop_.now() + at] { return loop_.now() > end && all_open(); }, at + kComingUp)) {
    throw std::runtime_error("the fleet did not come up");
  }
}

bool DrainRun::all_open() const {
  return std::all_of(websockets_.begin(), websockets_.end(), [](const auto& client) { return client->open(); }) &&
         std::all_of(streams_.begin(), streams_.end(), [](const auto& client) { return client->open(); }) &&
         std::all_of(polls_.begin(), polls_.end(), [](const auto& client) { return client->answered(); });
}

bool DrainRun::all_gone() const {
  return std::all_of(websockets_.begin(), websockets_.end(), [](const auto& client) { return client->gone(); }) &&
         std::all_of(polls_.begin(), polls_.end(), [](const auto& client) { return client->gone(); });
}

void DrainRun::leave() {
  log_.ended = loop_.now();
  for (const auto& client : websockets_) client->leave();
  for (const auto& client : streams_) client->leave();
  for (const auto& client : polls_) client->leave();
  loop_.run_until([this] { return all_gone(); }, 10);
  loop_.run_for(1);
}

const EventLog& DrainRun::play(const Middle& middle) {
  make_fleet(middle.port);
  hub_.start();
  ramp_up();
  loop_.run_for(plan_.before);

  const std::string& name = backends_.front()->name();
  log_.drained = name;
  log_.over = plan_.over;
  log_.drain_began = loop_.now();
  middle.drain(name, plan_.over);
  double asked = 0;
  const auto over = [&] {
    if (loop_.now() < log_.drain_began + plan_.over || loop_.now() < asked + 0.5) return false;
    asked = loop_.now();
    return middle.drained(name);
  };
  if (!loop_.run_until(over, plan_.over + kDrainGrace)) throw std::runtime_error("the drain did not end");
  loop_.run_for(plan_.after);

  log_.quiet = loop_.now();
  log_.last_event = hub_.last();
  hub_.stop();
  for (const auto& client : websockets_) client->stop_sending();
  for (const auto& backend : backends_) backend->stop_sending();
  loop_.run_for(plan_.rest);
  leave();
  return log_;
}

std::string config_for(std::uint16_t port, const std::string& routes_and_pool,
                       const std::vector<std::unique_ptr<Backend>>& backends) {
  std::string config = R"(
[proxy]
workers = 2
drain_delay = "0s"
drain_over = "1s"
drain_deadline = "5s"
[[listener]]
name = "web"
address = "127.0.0.1:)" +
                       std::to_string(port) + "\"\n" + routes_and_pool;
  for (const auto& backend : backends) {
    config += "[[pool.backend]]\nname = \"" + backend->name() +
              "\"\naddress = \"127.0.0.1:" + std::to_string(backend->port()) + "\"\n";
  }
  return config;
}

void allow_many_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace limpet::e2e
