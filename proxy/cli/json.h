// SPDX-License-Identifier: Apache-2.0
// What --json prints where the result is the command line's own and not an answer of the admin API passed on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proxy/cli/backend_name.h"
#include "proxy/cli/drain_watch.h"
#include "proxy/config/config.h"

namespace limpet::cli {

using config::ConfigResult;

// {"file","ok","problems":[{"file","line","column","error"}],"listeners","routes","pools","backends"}; counts only
// where ok.
std::string check_json(const std::string& path, const ConfigResult& config);

// {"version","build","libraries":{…}}
std::string version_json(const std::string& version, const std::string& build,
                         const std::vector<std::pair<std::string, std::string>>& libraries);
std::string json_library_version();

// {"backends":[{"pool","backend","state","total","moved","cut","elapsed_s","error"}]}; error only where refused.
std::string drains_json(const std::vector<DrainView>& drains);

// {"backends":[{"pool","backend", and the answer's own members}]}
std::string answers_json(const std::vector<std::pair<BackendName, std::string>>& answers);

}  // namespace limpet::cli
