// SPDX-License-Identifier: Apache-2.0
// See backend_name.h. No name holds a '/' (config/rules.cpp refuses it), so "pool/backend" means one thing; it is
// compared as a whole with what the proxy lists, never split, and so no other rule about names is repeated here.
#include "proxy/cli/backend_name.h"

#include <algorithm>

namespace limpet::cli {

using admin::BackendStatus;

namespace {

Error unknown(const std::string& what, const std::vector<std::string>& candidates) {
  constexpr std::size_t kShown = 12;
  std::string text = what;
  for (std::size_t i = 0; i < std::min(kShown, candidates.size()); ++i) text += (i == 0 ? ": " : ", ") + candidates[i];
  if (candidates.size() > kShown) text += ", …";
  return Error{Fault::Local, text};
}

}  // namespace

Result<BackendName> resolve_backend(const std::vector<PoolStatus>& pools, std::string_view name) {
  std::vector<BackendName> found;
  std::vector<std::string> all;
  for (const PoolStatus& pool : pools) {
    for (const BackendStatus& backend : pool.backends) {
      const BackendName candidate{pool.name, backend.name};
      if (candidate.text() == name) return candidate;
      if (backend.name == name) found.push_back(candidate);
      all.push_back(candidate.text());
    }
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) return unknown("no backend '" + std::string(name) + "'; there are", all);
  std::vector<std::string> candidates;
  candidates.reserve(found.size());
  for (const BackendName& candidate : found) candidates.push_back(candidate.text());
  return unknown("'" + std::string(name) + "' is ambiguous; say one of", candidates);
}

Result<std::vector<BackendName>> resolve_backends(const std::vector<PoolStatus>& pools,
                                                  const std::vector<std::string>& names) {
  std::vector<BackendName> backends;
  for (const std::string& name : names) {
    const auto backend = resolve_backend(pools, name);
    if (!backend) return backend.error();
    if (std::find(backends.begin(), backends.end(), backend.value()) == backends.end()) {
      backends.push_back(backend.value());
    }
  }
  return backends;
}

Result<PoolStatus> resolve_pool(const std::vector<PoolStatus>& pools, std::string_view name) {
  std::vector<std::string> all;
  for (const PoolStatus& pool : pools) {
    if (pool.name == name) return pool;
    all.push_back(pool.name);
  }
  return unknown("no pool '" + std::string(name) + "'; there are", all);
}

}  // namespace limpet::cli
