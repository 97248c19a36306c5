// SPDX-License-Identifier: Apache-2.0
// Plain counters with one writer: a worker adds to its own without lock or atomic read-modify-write, the control loop
// reads all at scrape time. One block of cells per worker, and one per worker and backend; addresses are stable, so a
// session keeps a pointer and no label is ever looked up per event.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "metrics/labels.h"

namespace limpet::metrics {

// Requires: one thread writes; any may read.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

class Gauge {
 public:
  void add(std::int64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Upper bounds in seconds; the last bucket (+Inf) is implied.
inline constexpr std::array kDurationBounds = {0.1,   0.5,   1.0,    5.0,     15.0,    60.0,
                                               300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0};
inline constexpr std::array kLatencyBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                              0.25,   0.5,   1.0,    2.5,   5.0,  10.0,  30.0};
inline constexpr std::array kLagBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005,
                                          0.01,   0.025,   0.05,   0.1,   0.25,   1.0};

template <const auto& kBounds>
class Histogram {
 public:
  static constexpr std::size_t kBuckets = kBounds.size() + 1;

  void observe(double seconds) {
    std::size_t i = 0;
    while (i < kBounds.size() && seconds > kBounds[i]) ++i;
    counts_[i].add();
    if (seconds > 0) sum_us_.add(static_cast<std::uint64_t>(seconds * 1e6 + 0.5));
  }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }
  double sum() const { return static_cast<double>(sum_us_.value()) / 1e6; }

 private:
  std::array<Counter, kBuckets> counts_;
  Counter sum_us_;
};

// Of one protocol at one backend, in one worker.
struct ProtocolCells {
  Gauge sessions;
  std::array<Counter, kHttpVersions> opened;
  std::array<Counter, kCloseReasons> closed;
  std::array<Counter, kPickReasons> picks;
  std::array<Counter, 2> bytes;     // by Direction
  std::array<Counter, 2> messages;  // by Direction
  Histogram<kDurationBounds> duration;
  Histogram<kLatencyBounds> handshake;
};

// Of one backend, in one worker.
struct BackendCells {
  std::array<ProtocolCells, kProtocols> protocols;
  std::array<std::array<Counter, 3>, kCloseCodes> websocket_closes;  // by close_code_index and By
  std::array<Histogram<kLatencyBounds>, 2> ping_rtt;                 // by Side
  std::array<Counter, 500> http_responses;                           // by status - 100
  Histogram<kLatencyBounds> http_request_duration;

  ProtocolCells& of(Protocol protocol) { return protocols[static_cast<std::size_t>(protocol)]; }
};

// Of one worker.
struct WorkerCells {
  std::array<Counter, kRejectReasons> rejected;
  std::array<Counter, kPauseReasons> accept_pauses;
  Counter accepted;
  Gauge connections;  // of clients, open
  Gauge buffered_bytes;
  Counter backpressure_pauses;
  Histogram<kLagBounds> loop_lag;

  void reject(RejectReason reason) { rejected[static_cast<std::size_t>(reason)].add(); }
};

}  // namespace limpet::metrics
