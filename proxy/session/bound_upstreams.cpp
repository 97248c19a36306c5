// SPDX-License-Identifier: Apache-2.0
// An idle connection that ends by itself takes its client's login with it, which is told so; one that is taken, or
// given up because the client leaves or moves, does not.
#include "proxy/session/bound_upstreams.h"

#include <algorithm>

#include "proxy/session/worker.h"

namespace limpet::session {

BoundUpstreams::~BoundUpstreams() = default;

std::unique_ptr<net::Stream> BoundUpstreams::take(UpstreamOwner& client, const Backend& backend) {
  if (idles_.empty()) return nullptr;
  const auto found = idles_.find(&client);
  if (found == idles_.end()) return nullptr;
  std::unique_ptr<net::Stream> taken;
  std::erase_if(found->second, [&](Bound& bound) {
    const bool is_wanted = &bound.idle->backend == &backend;
    if (!is_wanted && bound.idle->backend.is_available()) return false;
    auto stream = bound.idle->take();
    if (is_wanted) {
      taken = std::move(stream);
    } else {
      worker_.retire(std::move(stream));
    }
    return true;
  });
  if (found->second.empty()) idles_.erase(found);
  return taken;
}

bool BoundUpstreams::put(UpstreamOwner& client, const Backend& backend, std::unique_ptr<net::Stream> stream) {
  // A draining backend still serves the keys that it holds, whose clients could not log in without a kept connection.
  if (!backend.serves()) {
    worker_.retire(std::move(stream));
    return false;
  }
  auto idle = std::make_unique<IdleUpstream>(worker_, *this, backend, &client, std::move(stream));
  idles_[&client].push_back({numbers_++, std::move(idle)});
  return true;
}

void BoundUpstreams::release(UpstreamOwner& client) {
  if (idles_.empty()) return;
  const auto found = idles_.find(&client);
  if (found == idles_.end()) return;
  for (Bound& bound : found->second) worker_.retire(bound.idle->take());
  idles_.erase(found);
}

void BoundUpstreams::drop(const Backend& backend) {
  std::vector<std::pair<std::uint64_t, IdleUpstream*>> theirs;
  for (const auto& [client, idles] : idles_) {
    for (const Bound& bound : idles) {
      if (&bound.idle->backend == &backend) theirs.emplace_back(bound.number, bound.idle.get());
    }
  }
  std::ranges::sort(theirs);
  for (const auto& [number, idle] : theirs) ended(*idle, false);  // a client has one at most, and ends no other's
}

void BoundUpstreams::ended(IdleUpstream& idle, bool) {
  const auto of_client = idles_.find(idle.client);
  auto& idles = of_client->second;
  const auto found = std::ranges::find(idles, &idle, [](const Bound& bound) { return bound.idle.get(); });
  worker_.retire(idle.take());
  worker_.retire(std::unique_ptr<Owned>(std::move(found->idle)));
  idles.erase(found);
  if (idles.empty()) idles_.erase(of_client);
  idle.client->login_lost();
}

}  // namespace limpet::session
