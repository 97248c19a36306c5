// SPDX-License-Identifier: Apache-2.0
// Operator: who drains, pauses, hurries, readies, closes, scrapes and stops, through admin::Control as the admin API
// does. It lives by alarms of the world and tells the checks what it has ordered.
#pragma once

#include <string>

#include "proxy/admin/control.h"
#include "tests/sim/dice.h"

namespace limpet::sim {

class World;

class Operator {
 public:
  explicit Operator(World& world);
  void start();
  // All backends are made ready, nothing else is ordered.
  void stop();

 private:
  void again(Duration least, Duration most, void (Operator::*what)());
  void drain();
  void drain_all_at_pace();
  void act();
  void ready();
  void close();
  void scrape();
  void ask();
  void stop_process();
  void excuse();
  void ready(const std::string& backend);
  const std::string& any_backend();
  void drain(const std::string& backend, const admin::DrainOrder& order);

  World& world_;
  Dice dice_;
  bool over_ = false;
};

}  // namespace limpet::sim
