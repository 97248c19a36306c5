// SPDX-License-Identifier: Apache-2.0
// How a backend that has left the view is buried. A worker comes to know a backend in four ways: by the view, by an
// entry that holds its key, by a learned id, by a session that it has there. The counts tell of the last three, but a
// worker may be about to use what it has just looked up. So:
//
//   InOldView     until each worker has answered after the exchange: then none picks from a view that has it
//   Counted       until no session and no key counts; then the learned ids are closed, and each worker is asked again
//   IdsClosed     until they have answered: what was looked up before is used or given up. Where something counts
//                 again, back to Counted
//   Unreachable   nobody can come to know it any more. The workers drop their idle connections to it, and end the round
//                 in which its last session ended
//   Free          they have answered: nothing that anybody has posted names it
#include "proxy/session/pool.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "proxy/session/affinity.h"
#include "proxy/session/worker.h"
#include "proxy/session/workers.h"

namespace limpet::session {

namespace {

std::unique_ptr<const balancer::Ranker> make_pool_ranker(const PoolSettings& settings) {
  std::vector<balancer::Spec> specs;
  for (const auto& backend : settings.backends) specs.push_back({backend.name, backend.weight});
  return balancer::make_ranker(settings.algorithm, specs, settings.hash_seed);
}

// No session and no key. Acquire: who counted down has done with the backend what it did before.
bool is_empty(const Backend& backend) {
  return backend.sessions.load(std::memory_order_acquire) == 0 && backend.keys.load(std::memory_order_acquire) == 0;
}

bool is_unreachable(const Backend& backend) {
  return is_empty(backend) && backend.learned_ids.load(std::memory_order_acquire) == 0;
}

bool is_same(const Backend& backend, const BackendSettings& settings) {
  return backend.name == settings.name && backend.address == settings.address;
}

}  // namespace

void PoolView::candidates(std::span<const BackendId> tried, std::vector<balancer::Candidate>& out) const {
  out.clear();
  for (std::size_t i = 0; i < backends.size(); ++i) {
    const Backend& backend = *backends[i];
    const bool was_tried = std::ranges::find(tried, backend.id) != tried.end();
    out.push_back({backend.is_available() && !was_tried, backend.sessions.load(std::memory_order_relaxed),
                   settings->backends[i].weight, backend.ramp.load(std::memory_order_relaxed)});
  }
}

bool PoolView::has_available_besides(const Backend& one, std::span<const BackendId> tried) const {
  return std::ranges::any_of(backends, [&](const Backend* other) {
    return other != &one && other->is_available() && std::ranges::find(tried, other->id) == tried.end();
  });
}

// A backend on its way out. Shared with the workers' answers that it waits for: it may have been taken back meanwhile.
struct Pool::Removed {
  enum class Step : std::uint8_t { InOldView, Counted, IdsClosed, Unreachable, Free };
  std::unique_ptr<Backend> backend;  // null: taken back
  Step step = Step::InOldView;
};

Pool::Pool(std::shared_ptr<const PoolSettings> from, std::uint32_t as) : id(as), name(from->name) {
  Change first = prepare(std::move(from));
  backends_ = std::move(first.added);
  present_ = std::move(first.view);
  view_.store(present_.get(), std::memory_order_release);
}

Pool::~Pool() = default;

Backend* Pool::find(std::string_view wanted) const {
  const auto& all = view().backends;
  const auto found =
      std::ranges::find(all, wanted, [](const Backend* backend) { return std::string_view(backend->name); });
  return found == all.end() ? nullptr : *found;
}

Pool::Change Pool::prepare(std::shared_ptr<const PoolSettings> next) {
  assert(next->name == name);
  Change change;
  auto view = std::make_unique<PoolView>();
  view->ranker = make_pool_ranker(*next);
  view->number = present_ == nullptr ? 0 : present_->number + 1;
  for (const auto& settings : next->backends) {
    const auto kept = std::ranges::find_if(backends_, [&](const auto& backend) { return is_same(*backend, settings); });
    if (kept != backends_.end()) {
      view->backends.push_back(kept->get());
      continue;
    }
    const auto back =
        std::ranges::find_if(removed_, [&](const auto& removed) { return is_same(*removed->backend, settings); });
    if (back != removed_.end()) {
      view->backends.push_back((*back)->backend.get());
      continue;
    }
    change.added.push_back(std::make_unique<Backend>(*this, next_id_++, settings));
    view->backends.push_back(change.added.back().get());
  }
  view->settings = std::move(next);
  change.view = std::move(view);
  return change;
}

void Pool::exchange(Change change, Workers& workers) {
  std::vector<std::unique_ptr<Backend>> before = std::exchange(backends_, std::move(change.added));
  for (Backend* backend : change.view->backends) {
    const auto kept = std::ranges::find(before, backend, [](const auto& owned) { return owned.get(); });
    if (kept != before.end()) {
      backends_.push_back(std::move(*kept));
    } else if (backend->removed.load(std::memory_order_relaxed)) {
      backends_.push_back(take_back(*backend));
    }
  }
  std::erase(before, nullptr);
  for (const auto& backend : before) backend->removed.store(true, std::memory_order_relaxed);

  const std::shared_ptr<const PoolView> old = std::exchange(present_, std::move(change.view));
  view_.store(present_.get(), std::memory_order_release);

  std::vector<std::shared_ptr<Removed>> leaving;
  for (auto& backend : before) {
    leaving.push_back(std::make_shared<Removed>(Removed{std::move(backend)}));
    removed_.push_back(leaving.back());
  }
  workers.on_each(nullptr, [old, leaving] {
    for (const auto& removed : leaving) removed->step = Removed::Step::Counted;
  });
}

std::unique_ptr<Backend> Pool::take_back(const Backend& backend) {
  const auto found = std::ranges::find(removed_, &backend, [](const auto& removed) { return removed->backend.get(); });
  auto taken = std::move((*found)->backend);
  removed_.erase(found);
  taken->removed.store(false, std::memory_order_relaxed);
  return taken;
}

void Pool::close_ids(const std::shared_ptr<Removed>& removed, Affinity& affinity, Workers& workers, Time now) {
  removed->step = Removed::Step::IdsClosed;
  affinity.close_ids_of(*removed->backend, now);
  workers.on_each(nullptr, [removed, &workers] {
    if (removed->backend == nullptr) return;  // taken back
    if (is_unreachable(*removed->backend)) return drop_connections(removed, workers);
    removed->step = Removed::Step::Counted;
  });
}

void Pool::drop_connections(const std::shared_ptr<Removed>& removed, Workers& workers) {
  removed->step = Removed::Step::Unreachable;
  const auto drop = [backend = removed->backend.get()](Worker& worker) {
    worker.upstreams().forget(*backend);
    worker.bound_upstreams().drop(*backend);
  };
  workers.on_each(drop, [removed] { removed->step = Removed::Step::Free; });
}

std::vector<std::unique_ptr<Backend>> Pool::bury(Affinity& affinity, Workers& workers, Time now) {
  std::vector<std::unique_ptr<Backend>> free;
  for (const auto& removed : removed_) {
    if (removed->step == Removed::Step::Counted && is_empty(*removed->backend))
      close_ids(removed, affinity, workers, now);
    if (removed->step != Removed::Step::Free) continue;
    assert(is_unreachable(*removed->backend));
    free.push_back(std::move(removed->backend));
  }
  std::erase_if(removed_, [](const auto& removed) { return removed->backend == nullptr; });
  return free;
}

}  // namespace limpet::session
