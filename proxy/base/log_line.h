// SPDX-License-Identifier: Apache-2.0
// How a line of the log looks, as text and as JSON. Pure functions; log.cpp alone uses them. Nothing that goes in can
// break out of its line or its field: control characters, quotes and bytes that are no UTF-8 are escaped everywhere.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/log.h"

namespace limpet::log {

// 2026-01-02T03:04:05.678Z info  message key=value key="quoted value"
std::string text_line(WallTime time, Level level, std::string_view message, Items items, bool coloured);
// {"time":"2026-01-02T03:04:05.678Z","level":"info","message":"…","key":"value"}
std::string json_line(WallTime time, Level level, std::string_view message, Items items);

}  // namespace limpet::log
