// SPDX-License-Identifier: Apache-2.0
// How the command line names backends and pools: "pool/backend", or just "backend" where one pool alone has it. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/base/result.h"

namespace limpet::cli {

using admin::PoolStatus;

struct BackendName {
  std::string pool, backend;

  std::string text() const { return pool + "/" + backend; }
  bool operator==(const BackendName&) const = default;
};

// The error lists the candidates.
Result<BackendName> resolve_backend(const std::vector<PoolStatus>& pools, std::string_view name);
// All of them, each once, in the order given. The error is of the first that is not known.
Result<std::vector<BackendName>> resolve_backends(const std::vector<PoolStatus>& pools,
                                                  const std::vector<std::string>& names);
// The error lists those there are.
Result<PoolStatus> resolve_pool(const std::vector<PoolStatus>& pools, std::string_view name);

}  // namespace limpet::cli
