// SPDX-License-Identifier: Apache-2.0
// Weather: the bad luck of a world: links that are clogged, go dark or break, hosts that refuse or vanish, descriptors
// that run short. And the Operator, who drains, readies, closes and scrapes. Both live by alarms of the world.
#pragma once

#include "tests/sim/actor.h"
#include "tests/sim/dice.h"

namespace limpet::sim {

class World;

class Weather {
 public:
  explicit Weather(World& world);
  void start();
  void stop() { over_ = true; }

 private:
  void again(Duration least, Duration most, void (Weather::*what)());
  void clog();
  void go_dark();
  void break_one();
  void break_host();
  void host_state();
  void few_descriptors();

  World& world_;
  Dice dice_;
  bool over_ = false;
};

}  // namespace limpet::sim
