// SPDX-License-Identifier: Apache-2.0
// The actors against each other: content where nothing goes wrong, whatever troubles they make themselves; and what
// somebody between them does to their bytes has the name of the right check.
#include <boost/test/unit_test.hpp>

#include "tests/sim/actors/event_source.h"
#include "tests/sim/actors/http_client.h"
#include "tests/sim/actors/model_client.h"
#include "tests/sim/actors/socket_app.h"
#include "tests/sim/actors/socket_io.h"
#include "tests/sim/pipe_nature.h"

namespace limpet::sim {

using namespace std::chrono_literals;

// ---------------------------------------------------------------------------------------------------- the pipes

void PipeEnd::wake() {
  if (std::exchange(woken_, true)) return;
  nature_.after(between(nature_.random(), 0ms, 5ms), [this] { deliver(); });
}

void PipeEnd::send(std::string_view bytes) {
  if (gone_ || shut_) return;
  if (peer_->gone_) {
    lose_bytes();
    return be_reset();
  }
  std::string sent(bytes);
  if (peer_->to_client_ && nature_.tamper) nature_.tamper(sent, *peer_);
  peer_->in_ += sent;
  peer_->wake();
}

void PipeEnd::shut() {
  if (gone_ || peer_ == nullptr || std::exchange(shut_, true)) return;
  peer_->fin_ = true;
  peer_->wake();
}

void PipeEnd::deliver() {
  woken_ = false;
  if (gone_) return;
  if (!in_.empty()) {
    if (rate_ == 0) return;
    std::size_t size = 1 + below(nature_.random(), in_.size());
    if (rate_ != kAtOnce) size = std::min<std::size_t>(size, std::max<std::size_t>(1, rate_ / 20));
    const std::string part = in_.substr(0, size);
    in_.erase(0, size);
    actor_.on_bytes(*this, part);
    if (gone_) return;
  }
  if (in_.empty() && fin_ && !std::exchange(fin_told_, true)) return actor_.on_fin(*this);
  if (in_.empty() || std::exchange(woken_, true)) return;
  nature_.after(rate_ == kAtOnce ? Duration(1ms) : Duration(50ms), [this] { deliver(); });
}

void PipeEnd::reads_at(std::uint64_t rate) {
  rate_ = rate;
  if (!in_.empty()) wake();
}

void PipeEnd::gone(bool by_reset) {
  gone_ = true;
  nature_.after(0ms, [this, by_reset] { actor_.on_closed(*this, by_reset); });
}

void PipeEnd::lose_bytes() {
  if (nature_.troubles != nullptr) nature_.troubles->befall((to_client_ ? *this : *peer_).actor_.name(), nature_.now());
}

void PipeEnd::be_reset() {
  if (gone_) return;
  if (!in_.empty()) lose_bytes();
  gone(true);
}

void PipeEnd::reset() {
  if (gone_) return;
  if (!in_.empty()) lose_bytes();
  gone(true);
  if (peer_ != nullptr) nature_.after(1ms, [peer = peer_] { peer->be_reset(); });
}

void PipeEnd::close() {
  if (gone_) return;
  if (!in_.empty()) return reset();
  shut();
  gone(false);
}

std::uint64_t PipeNature::after(Duration delay, std::function<void()> work) {
  const std::uint64_t number = ++next_;
  due_[number] = now_ + delay;
  alarms_[{now_ + delay, number}] = std::move(work);
  return number;
}

void PipeNature::cancel(std::uint64_t alarm) {
  const auto found = due_.find(alarm);
  if (found == due_.end()) return;
  alarms_.erase({found->second, alarm});
  due_.erase(found);
}

End& PipeNature::connect(Actor& client) {
  std::vector<Backend*> up;
  for (Backend* backend : backends) {
    if (backend->up()) up.push_back(backend);
  }
  ends_.push_back(std::make_unique<PipeEnd>(*this, client, ++next_));
  PipeEnd& near = *ends_.back();
  near.to_client_ = true;
  if (up.empty()) {
    after(1ms, [this, &near] {
      if (std::exchange(near.gone_, true)) return;
      if (troubles != nullptr) troubles->befall(near.actor_.name(), now_);
      near.actor_.on_refused(near);
    });
    return near;
  }
  ends_.push_back(std::make_unique<PipeEnd>(*this, *up[below(random_, up.size())], ++next_));
  PipeEnd& far = *ends_.back();
  near.peer_ = &far;
  far.peer_ = &near;
  after(1ms, [&near, &far] {
    if (near.gone_) return;
    far.actor_.on_open(far);
    near.actor_.on_open(near);
  });
  return near;
}

void PipeNature::run_for(Duration time) {
  const Time until = now_ + time;
  while (!alarms_.empty() && alarms_.begin()->first.first <= until) {
    auto first = alarms_.extract(alarms_.begin());
    now_ = first.key().first;
    due_.erase(first.key().second);
    first.mapped()();
  }
  now_ = until;
}

// ---------------------------------------------------------------------------------------------------- the world

namespace {

struct World {
  explicit World(std::uint64_t seed, Character character = {}) : nature(seed) {
    backend = std::make_unique<Backend>(nature, commons, "b1", character);
    nature.backends = {backend.get()};
    nature.troubles = &commons.troubles;
  }

  template <class Kind>
  Kind& add(Manner manner = {}) {
    auto made = std::make_unique<Kind>(nature, commons, "c" + std::to_string(clients.size()), manner);
    Kind& client = *made;
    clients.push_back(std::move(made));
    client.start();
    return client;
  }

  void end() {
    for (const auto& client : clients) client->heal();
    backend->heal();
    nature.run_for(60s);
    for (const auto& client : clients) client->rest();
    nature.run_for(60s);
  }

  std::string complaints() const {
    std::string all;
    for (const auto& client : clients) {
      if (!client->complaint().empty()) all += client->name() + ": " + client->complaint() + "\n";
    }
    return all + nature.reasons;
  }

  PipeNature nature;
  Commons commons;
  std::unique_ptr<Backend> backend;
  std::vector<std::unique_ptr<Client>> clients;
};

constexpr std::uint64_t kSeeds = 50;

template <class Kind>
void is_content(const Manner& manner, const Character& character, std::uint64_t (Kind::*figure)() const) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    World world(seed, character);
    std::vector<Kind*> all;
    for (int i = 0; i < 3; ++i) all.push_back(&world.add<Kind>(manner));
    world.nature.run_for(60s);
    world.end();
    BOOST_TEST(world.complaints() == "", "seed " << seed << ": " << world.complaints());
    for (const Kind* client : all) BOOST_TEST((client->*figure)() > 10U, "seed " << seed);
  }
}

Manner troubled_manner() {
  Manner manner;
  manner.leaves = 0.3;
  manner.slow = 0.3;
  manner.key = "k";
  return manner;
}

Character troubled_character() {
  Character character;
  character.slow_answers = character.slow_uploads = character.head_alone = character.ends_streams = 0.2;
  character.closes_kept = 0.1;
  character.dies = 0.1;
  return character;
}

}  // namespace

BOOST_AUTO_TEST_CASE(event_sources_are_content) {
  is_content<EventSource>({}, {}, &EventSource::seen);
  is_content<EventSource>(troubled_manner(), troubled_character(), &EventSource::seen);
}

BOOST_AUTO_TEST_CASE(model_clients_are_content) {
  is_content<ModelClient>({}, {}, &ModelClient::answered);
  is_content<ModelClient>(troubled_manner(), troubled_character(), &ModelClient::answered);
}

BOOST_AUTO_TEST_CASE(http_clients_are_content) {
  is_content<HttpClient>({}, {}, &HttpClient::answered);
  is_content<HttpClient>(troubled_manner(), troubled_character(), &HttpClient::answered);
}

BOOST_AUTO_TEST_CASE(socket_applications_are_content) {
  is_content<SocketApp>({}, {}, &SocketApp::echoed);
  is_content<SocketApp>(troubled_manner(), troubled_character(), &SocketApp::echoed);
}

BOOST_AUTO_TEST_CASE(socket_io_is_content) {
  is_content<SocketIo>({}, {}, &SocketIo::echoed);
  is_content<SocketIo>(troubled_manner(), troubled_character(), &SocketIo::echoed);
}

}  // namespace limpet::sim
