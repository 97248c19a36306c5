// SPDX-License-Identifier: Apache-2.0
// Workers: how the control loop has something done on every worker and hears when all have done it. That each has
// answered also means that it has ended the round it was in: what it had read of a view that has been exchanged
// meanwhile it has forgotten (read-copy-update calls this a grace period).
#pragma once

#include <functional>
#include <vector>

#include "proxy/net/loop.h"

namespace limpet::session {

class Worker;

class Workers {
 public:
  // Calls `work` (null: nothing) on each worker's thread, between two of its callbacks, and then `done` on the control
  // loop's thread, never before this returns. By then all that a worker had posted to the control loop before it
  // answered has run. Both are destroyed, uncalled, where a loop ends first.
  virtual void on_each(std::function<void(Worker&)> work, std::function<void()> done) = 0;

 protected:
  ~Workers() = default;
};

// By way of the loops' mailboxes. Owned by the control loop's side, used on its thread; `workers` may still grow until
// the first call.
class PostedWorkers final : public Workers {
 public:
  PostedWorkers(net::Loop& control, const std::vector<Worker*>& workers) : control_(control), workers_(workers) {}
  void on_each(std::function<void(Worker&)> work, std::function<void()> done) override;

 private:
  net::Loop& control_;
  const std::vector<Worker*>& workers_;
};

}  // namespace limpet::session
