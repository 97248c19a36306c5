// SPDX-License-Identifier: Apache-2.0
// The families about sessions: what each backend's cells hold, summed over the workers. A protocol that never had
// anything to do at a backend is left out, and so are label values that never occurred, to keep a scrape of a hundred
// backends small; only limpet_sessions shows the protocols of HTTP at every listed backend, so that a dashboard has
// something to draw from the start.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "metrics/cells.h"
#include "metrics/sheet.h"

namespace limpet::metrics {

// A worker's block, on cache lines of its own.
struct alignas(64) WorkerBackend {
  BackendCells cells;
};

struct BackendRow {
  std::string_view pool;
  std::string_view backend;
  std::span<const WorkerBackend> workers;  // empty: no worker has seen it
  bool listed = true;                      // false: it left the configuration, its counters stay
};

void write_backend_families(Sheet& sheet, const std::vector<BackendRow>& rows);

// The sum of a histogram over all workers, as Sheet::histogram wants it.
template <const auto& kBounds, typename Blocks, typename Select>
void write_histogram(Sheet& sheet, Labels labels, const Blocks& workers, bool even_if_empty, Select select) {
  std::array<std::uint64_t, Histogram<kBounds>::kBuckets> counts{};
  std::uint64_t observations = 0;
  double sum = 0;
  for (const auto& worker : workers) {
    const Histogram<kBounds>& histogram = select(worker);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::uint64_t count = histogram.count(i);
      counts[i] += count;
      observations += count;
    }
    sum += histogram.sum();
  }
  if (observations > 0 || even_if_empty) sheet.histogram(labels, kBounds, counts, sum);
}

}  // namespace limpet::metrics
