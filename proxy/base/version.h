// SPDX-License-Identifier: Apache-2.0
// The version, as `limpet version`, the status and limpet_build_info tell it. The same as project(VERSION) in
// CMakeLists.txt.
#pragma once

#include <string_view>

namespace limpet {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace limpet
