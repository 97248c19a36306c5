// SPDX-License-Identifier: Apache-2.0
// Inhabitants: the clients and backends of a world, as its scenario wants them. They outlive what the world runs.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/actor.h"

namespace limpet::sim {

class World;

struct Inhabitants {
  explicit Inhabitants(World& world);
  // No trouble of their own making any more.
  void heal() const;
  // The clients begin nothing new.
  void rest() const;
  // Of the first who has one, with its name; "": all are well.
  std::string complaint() const;

  std::vector<std::unique_ptr<Actor>> backends;
  std::vector<std::unique_ptr<Actor>> clients;
};

}  // namespace limpet::sim
