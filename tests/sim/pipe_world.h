// SPDX-License-Identifier: Apache-2.0
// The world of the actors' own test: clients of any kind and one backend, or more, behind pipes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/sim/actors/client.h"
#include "tests/sim/pipe_nature.h"

namespace limpet::sim {

// Some clients, and a backend that they reach directly.
struct PipeWorld {
  explicit PipeWorld(std::uint64_t seed, Character character = {}) : nature(seed) {
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
    nature.run_for(std::chrono::seconds(60));
    for (const auto& client : clients) client->rest();
    nature.run_for(std::chrono::seconds(60));
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

}  // namespace limpet::sim
