// SPDX-License-Identifier: Apache-2.0
// See backend.h.
#include "tests/sim/actors/backend.h"

#include "tests/sim/actors/visit.h"

namespace limpet::sim {

Backend::Backend(Nature& nature, Commons& commons, std::string name, Character character)
    : nature_(nature),
      commons_(commons),
      name_(std::move(name)),
      character_(character),
      sessions_(*this),
      back_(nature) {}

Backend::~Backend() = default;

void Backend::on_open(End& end) {
  gone_.clear();
  if (!up_) return end.reset();
  visits_[end.id()] = std::make_unique<Visit>(*this, end);
}

void Backend::on_bytes(End& end, std::string_view bytes) {
  const auto found = visits_.find(end.id());
  if (found != visits_.end()) found->second->heard(bytes);
}

void Backend::on_fin(End& end) {
  const auto found = visits_.find(end.id());
  if (found != visits_.end()) found->second->fin();
}

void Backend::on_closed(End& end, bool) {
  const auto found = visits_.find(end.id());
  if (found == visits_.end()) return;
  found->second->closed();
  gone_.push_back(std::move(found->second));
  visits_.erase(found);
}

std::string Backend::client_of(const End& end) const {
  const auto found = visits_.find(end.id());
  return found == visits_.end() || !found->second->service_ ? "" : found->second->tag_.client;
}

void Backend::die(bool by_reset) {
  if (!up_) return;
  up_ = false;
  nature_.count("backend_dies");
  nature_.note(*this, "dies");
  commons_.troubles.kept_connection_closed(nature_.now());
  sessions_.forget();
  std::vector<Visit*> all;
  for (const auto& [id, visit] : visits_) all.push_back(visit.get());
  for (Visit* visit : all) {
    if (visit->service_ && !visit->answered_) commons_.troubles.befall(visit->tag_.client, nature_.now());
    visit->end(by_reset);
  }
  back_.set(character_.down_for, [this] { come_back(); });
}

void Backend::come_back() {
  if (up_) return;
  back_.stop();
  up_ = true;
  nature_.note(*this, "is back");
}

void Backend::heal() {
  character_ = Character{};
  healthy = true;
  for (const auto& [id, visit] : visits_) {
    visit->dies_after_.reset();
    visit->reads_at(kAtOnce);
    visit->idle_close_.stop();
  }
  come_back();
}

}  // namespace limpet::sim
