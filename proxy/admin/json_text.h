// SPDX-License-Identifier: Apache-2.0
// JSON as it leaves limpet: on one line, in the order of its making; what is not UTF-8 is replaced, not refused.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace limpet::admin {

inline std::string json_text(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace limpet::admin
