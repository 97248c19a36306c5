// SPDX-License-Identifier: Apache-2.0
// Reads a configuration file: TOML in, settings out, or every problem with its place (and the first syntax error).
// toml++ is included by toml.cpp alone. Called on the control path only; a failed read changes nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session/settings.h"

namespace limpet::config {

struct Problem {
  std::string file;
  unsigned line = 0;    // from 1; 0 where there is no place (an unreadable file, a command-line option)
  unsigned column = 0;  // from 1, in bytes
  std::string what;     // what is wrong and what was expected, with the nearest known key where there is one
  std::string source;   // the line's text; "" without a place
};

// "FILE:LINE:COL: error: what", then the source line and a caret; ends with a newline. Colour only where `color`.
std::string render(const Problem& problem, bool color);

struct ConfigResult {
  std::optional<session::Settings> settings;  // only where there is no problem
  std::vector<Problem> problems;
  bool unreadable = false;  // the file could not be read: exit code 66 instead of 78
};

ConfigResult load_config(const std::string& path);
// `name` is what problems call the file.
ConfigResult parse_config(const std::string& text, const std::string& name);

// What `limpet run --listen … --to … --key …` means. Backends are named "ADDRESS" as given, but
// for the slashes of a unix path, which become '_': a name has none. Each flag may be a list with commas.
ConfigResult config_from_flags(const std::vector<std::string>& listen, const std::vector<std::string>& to,
                               const std::vector<std::string>& keys);

// Every key that is available in this version, in the order of its table, dotted: "listener.limits.sessions".
std::vector<std::string> known_keys();

// "250ms", "30s", "5m", "1h", "2d"; nullopt for anything else. Used for command line and API durations, too.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// The shortest such text: 90 s is "90s", 120 s "2m".
std::string duration_text(std::chrono::milliseconds duration);
// "64KiB", "1MiB", "0", "512B".
std::optional<std::uint64_t> parse_size(std::string_view text);
// "cookie:sid", "header:X", "query:x", "path:2", "client_ip", "subprotocol", "jwt:CLAIM".
std::optional<session::KeySource> parse_key_source(std::string_view text);
// "engine.io", "header:NAME", "cookie:NAME".
std::optional<session::LearnSource> parse_learn_source(std::string_view text);

}  // namespace limpet::config
