// SPDX-License-Identifier: Apache-2.0
// The one place that gives each unit test program its main(): Boost.Test wants the module defined in exactly one file.
#define BOOST_TEST_MODULE limpet
#include <boost/test/unit_test.hpp>
#include <csignal>

// As in the proxy: a peer that is gone is an error of the write, not a signal.
struct IgnoreBrokenPipes {
  IgnoreBrokenPipes() { std::signal(SIGPIPE, SIG_IGN); }
};
BOOST_TEST_GLOBAL_FIXTURE(IgnoreBrokenPipes);
