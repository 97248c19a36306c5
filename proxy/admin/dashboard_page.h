// SPDX-License-Identifier: Apache-2.0
// The dashboard: one page without outside resources that draws what GET /v1/events tells. It holds no data and no
// secret.
#pragma once

#include <string>
#include <string_view>

namespace limpet::admin {

// `nonce` is fresh for each answer and allows the page's own script and style, nothing else.
std::string dashboard_page(std::string_view nonce);
// The Content-Security-Policy that goes with it.
std::string dashboard_policy(std::string_view nonce);

}  // namespace limpet::admin
