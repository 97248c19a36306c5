// SPDX-License-Identifier: Apache-2.0
// A mailbox is served in order: a worker's answer comes behind all that it has posted before.
#include "proxy/session/workers.h"

#include <memory>
#include <utility>

#include "proxy/session/worker.h"

namespace limpet::session {

void PostedWorkers::on_each(std::function<void(Worker&)> work, std::function<void()> done) {
  if (workers_.empty()) return control_.post(std::move(done));
  struct Answers {  // the control loop's
    std::size_t missing;
    std::function<void()> done;
  };
  const auto answers = std::make_shared<Answers>(Answers{workers_.size(), std::move(done)});
  for (Worker* worker : workers_) {
    worker->post([&control = control_, worker, work, answers] {
      if (work) work(*worker);
      control.post([answers] {
        if (--answers->missing > 0) return;
        const auto all_answered = std::exchange(answers->done, nullptr);  // what it holds ends on this thread
        all_answered();
      });
    });
  }
}

}  // namespace limpet::session
