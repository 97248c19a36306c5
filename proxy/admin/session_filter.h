// SPDX-License-Identifier: Apache-2.0
// The filter of GET /v1/sessions and POST /v1/close as text: read from a query or from single members, and written as a
// query by the command line. Strict: an unknown name or an unreadable value is an error, never an empty filter.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/admin/control.h"
#include "proxy/base/result.h"

namespace limpet::admin {

// Sets one member: pool backend protocol key min_age min_idle limit. What is wrong with it, or nullopt.
std::optional<std::string> set_filter_member(SessionFilter& filter, std::string_view name, const std::string& value);

// "pool=chat&min_age=5m"; names and values are percent-decoded. A name given twice is an error.
Result<SessionFilter> filter_from_query(std::string_view query);
// "" or "?pool=chat&limit=1000".
std::string filter_to_query(const SessionFilter& filter);

// True if nothing is asked for, that is, every session matches.
bool matches_everything(const SessionFilter& filter);

// All but unreserved characters as %XX (RFC 3986 §2.3).
std::string percent_encode(std::string_view text);

}  // namespace limpet::admin
