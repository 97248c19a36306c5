// SPDX-License-Identifier: Apache-2.0
// Judges the log of a run in a test case: each promise of checkers.h by its name, with its first violations where it
// was broken.
#pragma once

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <vector>

#include "tests/e2e/checkers.h"

namespace limpet::e2e {

using Checker = Violations (*)(const EventLog&);

struct Promise {
  const char* name;
  Checker checker;
};

inline const std::vector<Promise> kPromisesToAll = {
    {"nothing_is_torn", nothing_is_torn},
    {"ends_are_paced", ends_are_paced},
    {"others_notice_nothing", others_notice_nothing},
    {"returns_avoid_the_drained", returns_avoid_the_drained},
    {"keys_stay_together", keys_stay_together},
};
inline const std::vector<Promise> kPromisesToWebSockets = {
    {"closes_are_clean", closes_are_clean},
    {"client_messages_arrive", client_messages_arrive},
    {"backend_messages_arrive", backend_messages_arrive},
};
inline const std::vector<Promise> kPromisesToRequests = {
    {"events_come_once", events_come_once},
    {"requests_are_answered", requests_are_answered},
};

inline void kept(const std::vector<Promise>& promises, const EventLog& log) {
  for (const auto& [name, checker] : promises) {
    const auto found = checker(log);
    BOOST_TEST(found.empty(), name << ": " << found.size() << " violations; " << (found.empty() ? "" : found.front()));
    for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 12); ++i) BOOST_TEST_MESSAGE("  " << found[i]);
  }
}

}  // namespace limpet::e2e
