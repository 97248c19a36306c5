// SPDX-License-Identifier: Apache-2.0
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
  std::erase_if(found->second, [&](auto& idle) {
    const bool is_wanted = &idle->backend == &backend;
    if (!is_wanted && idle->backend.is_available()) return false;
    auto stream = idle->take();
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
  // One that drains goes on with whoever it still has: without its connection nobody could log in there.
  if (!backend.serves()) {
    worker_.retire(std::move(stream));
    return false;
  }
  idles_[&client].push_back(std::make_unique<IdleUpstream>(worker_, *this, backend, &client, std::move(stream)));
  return true;
}

void BoundUpstreams::release(UpstreamOwner& client) {
  if (idles_.empty()) return;
  const auto found = idles_.find(&client);
  if (found == idles_.end()) return;
  for (auto& idle : found->second) worker_.retire(idle->take());
  idles_.erase(found);
}

void BoundUpstreams::drop(const Backend& backend) {
  std::vector<IdleUpstream*> theirs;
  for (const auto& [client, idles] : idles_) {
    for (const auto& idle : idles) {
      if (&idle->backend == &backend) theirs.push_back(idle.get());
    }
  }
  for (IdleUpstream* idle : theirs) ended(*idle, false);  // a client has one of them at most, and ends no other's
}

void BoundUpstreams::ended(IdleUpstream& idle, bool) {
  const auto of_client = idles_.find(idle.client);
  auto& idles = of_client->second;
  const auto found = std::ranges::find(idles, &idle, &std::unique_ptr<IdleUpstream>::get);
  worker_.retire(idle.take());
  worker_.retire(std::unique_ptr<Owned>(std::move(*found)));
  idles.erase(found);
  if (idles.empty()) idles_.erase(of_client);
  idle.client->login_lost();
}

}  // namespace limpet::session
