// SPDX-License-Identifier: Apache-2.0
// See registry.h. The families that are not about one backend are written here, those that are in backend_families.cpp.
// Cells are allocated once for each worker, and for each backend when it is first named; they are never freed, so that
// a counter outlives the backend that it was about. Nothing here is called by a worker.
#include "metrics/registry.h"

#include <cassert>
#include <memory>
#include <span>
#include <vector>

#include "metrics/backend_families.h"
#include "metrics/process.h"
#include "metrics/sheet.h"

namespace limpet::metrics {

namespace {

// A worker's block, on cache lines of its own.
struct alignas(64) WorkerBlock {
  WorkerCells cells;
};
using Workers = std::span<const WorkerBlock>;
using BackendBlocks = std::map<std::pair<std::string, std::string>, std::unique_ptr<WorkerBackend[]>>;

template <typename Select>
double sum(Workers workers, Select select) {
  double total = 0;
  for (const auto& worker : workers) total += static_cast<double>(select(worker.cells).value());
  return total;
}

void write_client_families(Sheet& sheet, Workers workers) {
  sheet.family(Kind::Gauge, "limpet_connections", "Connections of clients open.");
  sheet.sample({}, sum(
                       workers, [](const auto& cells) -> const auto& { return cells.connections; }));
  sheet.family(Kind::Counter, "limpet_connections_accepted_total", "Connections of clients accepted.");
  sheet.sample({}, sum(
                       workers, [](const auto& cells) -> const auto& { return cells.accepted; }));
  sheet.family(Kind::Counter, "limpet_accept_pauses_total", "How often accepting paused, and what had run out.");
  for (std::size_t i = 0; i < kPauseReasons; ++i) {
    sheet.sample({{"reason", name(static_cast<PauseReason>(i))}},
                 sum(
                     workers, [&](const auto& cells) -> const auto& { return cells.accept_pauses[i]; }));
  }
  sheet.family(Kind::Counter, "limpet_rejected_total",
               "Requests and connections turned away before they became sessions.");
  for (std::size_t i = 0; i < kRejectReasons; ++i) {
    sheet.sample({{"reason", name(static_cast<RejectReason>(i))}},
                 sum(
                     workers, [&](const auto& cells) -> const auto& { return cells.rejected[i]; }));
  }
}

void write_loop_families(Sheet& sheet, Workers workers) {
  sheet.family(Kind::Histogram, "limpet_loop_lag_seconds", "How long a round of a worker's loop takes.");
  write_histogram<kLagBounds>(
      sheet, {}, workers, true, [](const WorkerBlock& worker) -> const auto& { return worker.cells.loop_lag; });
  sheet.family(Kind::Gauge, "limpet_buffered_bytes", "Bytes that slow peers have not taken.");
  sheet.sample({}, sum(
                       workers, [](const auto& cells) -> const auto& { return cells.buffered_bytes; }));
  sheet.family(Kind::Counter, "limpet_backpressure_pauses_total",
               "How often a peer was not read because the other side did not take more.");
  sheet.sample({}, sum(
                       workers, [](const auto& cells) -> const auto& { return cells.backpressure_pauses; }));
}

void write_pool_families(Sheet& sheet, const Facts& facts) {
  sheet.family(Kind::Gauge, "limpet_affinity_keys", "Affinity keys with a live, lingering or learned entry.");
  for (const auto& pool : facts.pools) sheet.sample({{"pool", pool.pool}}, static_cast<double>(pool.affinity_keys));
  sheet.family(Kind::Gauge, "limpet_misplaced_keys", "Affinity keys whose ranking now starts with another backend.");
  for (const auto& pool : facts.pools) sheet.sample({{"pool", pool.pool}}, static_cast<double>(pool.misplaced_keys));
}

template <typename Select>
void write_fact(Sheet& sheet, const Facts& facts, Kind kind, const char* name, const char* help, Select select) {
  sheet.family(kind, name, help);
  for (const auto& backend : facts.backends) {
    sheet.sample({{"pool", backend.pool}, {"backend", backend.backend}}, static_cast<double>(select(backend)));
  }
}

void write_fact_families(Sheet& sheet, const Facts& facts) {
  write_fact(sheet, facts, Kind::Gauge, "limpet_backend_up", "1 where health checks find the backend up, else 0.",
             [](const auto& backend) { return backend.up; });
  sheet.family(Kind::Gauge, "limpet_backend_state", "1 for the state that the backend is in, 0 for the others.");
  for (const auto& backend : facts.backends) {
    for (const std::string_view state : {"ready", "draining", "drained"}) {
      sheet.sample({{"pool", backend.pool}, {"backend", backend.backend}, {"state", state}}, backend.state == state);
    }
  }
  write_fact(sheet, facts, Kind::Gauge, "limpet_backend_weight", "Weight of the backend in its pool.",
             [](const auto& backend) { return backend.weight; });
  write_fact(sheet, facts, Kind::Gauge, "limpet_backend_hash_share",
             "Share of all keys whose ranking the backend leads.",
             [](const auto& backend) { return backend.hash_share; });
  write_fact(sheet, facts, Kind::Gauge, "limpet_drain_sessions_remaining",
             "Sessions that a drain of the backend has yet to move.",
             [](const auto& backend) { return backend.drain_sessions_remaining; });
  write_fact(sheet, facts, Kind::Counter, "limpet_drain_sessions_cut_total",
             "Sessions cut in a drain: at no boundary in time, or left at its deadline.",
             [](const auto& backend) { return backend.drain_sessions_cut; });
  sheet.family(Kind::Counter, "limpet_config_reloads_total", "Reloads of the configuration, by result.");
  sheet.sample({{"result", "ok"}}, static_cast<double>(facts.reloads_ok));
  sheet.sample({{"result", "failed"}}, static_cast<double>(facts.reloads_failed));
  sheet.family(Kind::Gauge, "limpet_config_last_reload_success_timestamp_seconds",
               "When the running configuration was loaded, unix time.");
  sheet.sample({}, facts.last_reload_success);
}

// The listed backends in their order, then those that left and have counted something.
std::vector<BackendRow> rows_of(const Facts& facts, const BackendBlocks& blocks, unsigned workers) {
  std::vector<BackendRow> rows;
  rows.reserve(facts.backends.size());
  auto left = [&] {
    std::map<std::pair<std::string_view, std::string_view>, std::span<const WorkerBackend>> all;
    for (const auto& [key, block] : blocks) all.emplace(key, std::span<const WorkerBackend>(block.get(), workers));
    return all;
  }();
  for (const auto& fact : facts.backends) {
    const auto found = left.find({fact.pool, fact.backend});
    rows.push_back({fact.pool, fact.backend, {}, true});
    if (found == left.end()) continue;
    rows.back().workers = found->second;
    left.erase(found);
  }
  for (const auto& [key, block] : left) rows.push_back({key.first, key.second, block, false});
  return rows;
}

}  // namespace

struct Registry::Blocks {
  std::unique_ptr<WorkerBlock[]> workers;
  BackendBlocks backends;
  std::size_t last_size = 0;  // of the text: the next one will not differ much
};

Registry::Registry(unsigned workers, std::string version)
    : workers_(workers), version_(std::move(version)), blocks_(std::make_unique<Blocks>()) {
  blocks_->workers = std::make_unique<WorkerBlock[]>(workers);
}

Registry::~Registry() = default;

WorkerCells& Registry::worker(unsigned index) {
  assert(index < workers_);
  return blocks_->workers[index].cells;
}

BackendCells& Registry::backend(const std::string& pool, const std::string& name, unsigned worker) {
  assert(worker < workers_);
  auto& block = blocks_->backends[{pool, name}];
  if (!block) block = std::make_unique<WorkerBackend[]>(workers_);
  return block[worker].cells;
}

std::string Registry::text(const Facts& facts) const {
  const Workers workers(blocks_->workers.get(), workers_);
  Sheet sheet(blocks_->last_size + blocks_->last_size / 8);
  write_backend_families(sheet, rows_of(facts, blocks_->backends, workers_));
  write_pool_families(sheet, facts);
  write_fact_families(sheet, facts);
  write_client_families(sheet, workers);
  write_loop_families(sheet, workers);
  sheet.family(Kind::Gauge, "limpet_build_info", "1, with the version that runs.");
  sheet.sample({{"version", version_}}, 1);
  write_process_families(sheet);
  std::string text = sheet.take_text();
  blocks_->last_size = text.size();
  return text;
}

}  // namespace limpet::metrics
