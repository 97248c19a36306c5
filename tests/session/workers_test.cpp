// SPDX-License-Identifier: Apache-2.0
// The control loop asks all workers and hears of it when the last has answered; all loops run on this thread, when the
// test says so.
#include "proxy/session/workers.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"

namespace limpet::session {

namespace {

struct Fixture {
  Fixture() {
    control.set_tick([] { return Time::max(); });
    for (std::uint16_t i = 0; i < 2; ++i) {
      own.push_back(std::make_unique<Worker>(
          shared, i, std::make_shared<const Snapshot>(Settings{}, std::vector<std::shared_ptr<Pool>>{}), no_protocol));
      all.push_back(own.back().get());
    }
  }
  void ask() {
    workers.on_each([this](Worker& worker) { said += "worker " + std::to_string(worker.index()) + ", "; },
                    [this] { said += "done"; });
  }
  void run_control() {
    control.tick_by(control.read_clock());  // so that the round ends though nothing comes
    control.run_round();
  }

  metrics::Registry registry{2, "test"};
  Shared shared{1000, registry};
  NoProtocol no_protocol;
  net::Loop control;
  std::vector<std::unique_ptr<Worker>> own;
  std::vector<Worker*> all;
  PostedWorkers workers{control, all};
  std::string said;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(workers, Fixture)

BOOST_AUTO_TEST_CASE(done_is_called_when_the_last_worker_has_answered) {
  ask();
  own[1]->run_round();
  run_control();
  BOOST_TEST(said == "worker 1, ");
  own[0]->run_round();
  BOOST_TEST(said == "worker 1, worker 0, ");
  run_control();
  BOOST_TEST(said == "worker 1, worker 0, done");
}

BOOST_AUTO_TEST_CASE(what_a_worker_has_posted_before_its_answer_runs_before_done) {
  ask();
  own[0]->post([this] { control.post([this] { said += "after, "; }); });
  control.post([this] { said += "before, "; });
  own[0]->run_round();
  own[1]->run_round();
  run_control();
  BOOST_TEST(said == "worker 0, worker 1, before, after, done");
}

BOOST_AUTO_TEST_CASE(without_workers_done_is_called_all_the_same_but_later) {
  all.clear();
  ask();
  BOOST_TEST(said == "");
  run_control();
  BOOST_TEST(said == "done");
}

BOOST_AUTO_TEST_CASE(a_question_that_nobody_answers_any_more_is_dropped) {
  const auto asked = std::make_shared<int>();
  workers.on_each(nullptr, [asked] {});
  own.clear();
  BOOST_TEST(asked.use_count() == 1);
}

BOOST_AUTO_TEST_CASE(a_backend_is_buried_by_way_of_real_workers) {
  auto settings = std::make_shared<PoolSettings>();
  settings->backends = {{"a", {}, 1}, {"b", {}, 1}};
  Pool pool(settings);
  auto next = std::make_shared<PoolSettings>(*settings);
  next->backends.pop_back();
  pool.exchange(pool.prepare(next), workers);
  std::size_t freed = 0;
  for (int i = 0; i < 3; ++i) {
    freed += pool.bury(shared.affinity, workers, control.now()).size();
    for (auto& worker : own) worker->run_round();
    run_control();
  }
  BOOST_TEST(freed == 0U);
  BOOST_TEST_REQUIRE(pool.bury(shared.affinity, workers, control.now()).size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
