// SPDX-License-Identifier: Apache-2.0
// limpet-sim: runs seeds of the simulated world. tests/sim/README.md says how.
//
//   limpet-sim --seed N [--trace]        one seed
//   limpet-sim --seeds FROM-TO           many, and what occurred in them
//   limpet-sim --seeds … --everything-occurs   fails where a class of event did not
//   limpet-sim --plant FAULT …           with a planted fault (a name of proxy/base/planted_fault.h); 0 where it is
//   found
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>

#include "tests/sim/campaign.h"

namespace {

using limpet::Planted;

constexpr std::array<std::pair<std::string_view, Planted>, 8> kPlanted = {{
    {"OldEntryKept", Planted::OldEntryKept},
    {"FarewellDropped", Planted::FarewellDropped},
    {"CountedTwice", Planted::CountedTwice},
    {"BoundaryOff", Planted::BoundaryOff},
    {"HeadLeftBehind", Planted::HeadLeftBehind},
    {"SurplusRead", Planted::SurplusRead},
    {"CutCountsAsDrained", Planted::CutCountsAsDrained},
    {"TurnIgnored", Planted::TurnIgnored},
}};

// What has to occur in a campaign; the actors' own events are among them.
constexpr std::array kOccurs = {"EMFILE at a dial",
                                "EMFILE at an accept",
                                "FIN in the same round",
                                "a backend dies",
                                "a drain of 200 sessions or more",
                                "a link breaks",
                                "a link goes dark",
                                "a round within another's call",
                                "backend dies in mid-answer",
                                "backend says too much",
                                "bytes for a closed end",
                                "client gets a Close",
                                "client leaves in its handshake",
                                "client reads slowly",
                                "client resets",
                                "client says Close",
                                "clog",
                                "close",
                                "connect refused by the proxy",
                                "dial done at once",
                                "dial into the dark",
                                "dial refused",
                                "dial refused on the spot",
                                "drain",
                                "drain paused, resumed or hurried",
                                "drain refused",
                                "drain, dry",
                                "drain, soft",
                                "full accept queue of a backend",
                                "full send buffer",
                                "ready",
                                "reset by an actor",
                                "reset by the proxy",
                                "reset destroys unread bytes",
                                "scrape",
                                "sessions listed",
                                "short write",
                                "split",
                                "stop",
                                "woken for nothing",
                                "pick: balance",
                                "pick: fallback",
                                "pick: hash",
                                "pick: learned",
                                "pick: live",
                                "end: websocket drained",
                                "end: sse drained",
                                "end: http backend_closed",
                                "end: long_poll backend_closed"};

volatile std::uint64_t running = 0;
bool plants = false;

// An assertion of the product, or worse: the seed is the last line all the same.
void crashed(int) {
  char line[64];
  const int size = std::snprintf(line, sizeof line, "seed %llu: crash\n", static_cast<unsigned long long>(running));
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, line, static_cast<std::size_t>(size));
  _exit(plants ? 0 : 1);
}

int usage() {
  std::cerr << "usage: limpet-sim (--seed N [--trace] | --seeds FROM-TO) [--plant FAULT]\n";
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t from = 1;
  std::uint64_t to = 64;
  bool traces = false;
  bool everything = false;
  Planted planted = Planted::None;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (option == "--trace") {
      traces = true;
      continue;
    }
    if (option == "--everything-occurs") {
      everything = true;
      continue;
    }
    if (value == nullptr) return usage();
    ++i;
    if (option == "--seed") {
      from = to = std::strtoull(value, nullptr, 10);
    } else if (option == "--seeds") {
      char* end = nullptr;
      from = std::strtoull(value, &end, 10);
      to = *end == '-' ? std::strtoull(end + 1, nullptr, 10) : from;
    } else if (option == "--plant") {
      for (const auto& [name, fault] : kPlanted) {
        if (name == value) planted = fault;
      }
      if (planted == Planted::None) return usage();
    } else {
      return usage();
    }
  }
  plants = planted != Planted::None;
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS}) std::signal(signal, crashed);

  limpet::sim::Tally tally;
  const bool many = to > from;
  for (std::uint64_t seed = from; seed <= to; ++seed) {
    running = seed;
    const auto outcome = limpet::sim::run_seed(seed, planted, traces ? stdout : nullptr);
    for (const auto& [event, times] : outcome.tally) tally[event] += times;
    if (!outcome.check.empty() && plants && !limpet::sim::run_seed(seed, Planted::None, nullptr).check.empty())
      continue;
    if (!outcome.check.empty()) {
      std::cout << outcome.why << "\nseed " << seed << ": " << outcome.check << std::endl;
      return plants ? 0 : 1;
    }
    if (many && seed % 500 == 0) std::cerr << "seed " << seed << " of " << to << '\n';
  }
  if (plants) {
    std::cout << "the planted fault is not found" << std::endl;
    return 1;
  }
  if (!traces) {
    for (const auto& [event, times] : tally) std::cout << times << '\t' << event << '\n';
  }
  for (const std::string_view event : kOccurs) {
    if (!everything || tally.find(event) != tally.end()) continue;
    std::cout << "never: " << event << "\nseed " << to << ": never_occurred" << std::endl;
    return 1;
  }
  std::cout << to - from + 1 << " seeds are clean" << std::endl;
  return 0;
}
