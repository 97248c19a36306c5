// SPDX-License-Identifier: Apache-2.0
// The admin API's JSON, both ways: what the proxy writes and the command line reads, what the command line asks and the
// proxy reads. Requests are read strictly (an unknown member, a wrong type, a bad duration is an error that names it),
// answers leniently (a member that is missing keeps its default), so that an older command line understands a newer
// proxy. Control path only. nlohmann/json is included by json.cpp, json_read.cpp and cli/json.cpp alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/base/result.h"

namespace limpet::admin {

// Body of POST …/drain. What is not given has the default of DrainOrder, except that a deadline that is not given
// leaves at least 30 s after `over`.
struct DrainRequest {
  std::optional<DrainAction> action;  // alone, without the others
  std::optional<milliseconds> over, deadline;
  bool soft = false, whole_keys = false, force = false, dry_run = false;
};
DrainOrder order_of(const DrainRequest& request);

// Answers, as the proxy writes them. Bytes that are no UTF-8 become U+FFFD; numbers that are not finite become null.
std::string status_json(const Status& status);
std::string pools_json(const std::vector<PoolStatus>& pools);
std::string pool_json(const PoolStatus& pool);
std::string backend_json(const BackendStatus& backend);
// The members of a backend's "drain" and of the plan, in one object.
std::string drain_json(const DrainStatus& drain, const DrainPlan& plan, bool dry_run);
std::string where_json(const Where& where);
std::string sessions_json(const std::vector<SessionInfo>& sessions);
std::string closing_json(std::uint64_t n);
std::string stopping_json(int pid);
std::string error_json(std::string_view what);

// Requests, as the proxy reads them. An empty body is {}. The error's `what` is the answer's text.
Result<DrainRequest> parse_drain_request(std::string_view body);
// No `limit` (it would promise what closing does not do) and no empty value (a variable that was not set).
Result<SessionFilter> parse_close_request(std::string_view body);
// nullopt where the body is empty or {}; else what is wrong.
std::optional<std::string> problem_of_empty_request(std::string_view body);

// Requests, as the command line writes them.
std::string drain_request_json(const DrainRequest& request);
std::string close_request_json(const SessionFilter& filter);

// Answers, as the command line reads them; nullopt where the text is not such an answer.
std::optional<Status> parse_status(std::string_view text);
std::optional<std::vector<PoolStatus>> parse_pools(std::string_view text);
std::optional<PoolStatus> parse_pool(std::string_view text);
std::optional<DrainPlan> parse_plan(std::string_view text);
std::optional<Where> parse_where(std::string_view text);
std::optional<std::vector<SessionInfo>> parse_sessions(std::string_view text);
std::optional<std::uint64_t> parse_closing(std::string_view text);
// The text of {"error": …}; "" where there is none.
std::string parse_error(std::string_view text);

}  // namespace limpet::admin
