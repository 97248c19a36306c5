// SPDX-License-Identifier: Apache-2.0
// The small texts of a configuration as values: durations, sizes and key sources. Also used for command line and API.
// Nothing here knows of TOML or of places in a file.
#include <array>
#include <charconv>
#include <limits>

#include "proxy/config/config.h"
#include "proxy/wire/grammar.h"

namespace limpet::config {

namespace {

using std::chrono::milliseconds;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

// Largest first: duration_text takes the first that fits.
constexpr std::array<Unit, 5> kDurations = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 5> kSizes = {
    {{"B", 1}, {"KiB", 1ULL << 10U}, {"MiB", 1ULL << 20U}, {"GiB", 1ULL << 30U}, {"TiB", 1ULL << 40U}}};

// Beyond it a deadline might overflow a clock of nanoseconds in 64 bits.
constexpr std::uint64_t kLongest = 100ULL * 365 * 86'400'000;

// Digits, then the name of a unit; nullopt where there is anything else or the product leaves 64 bits.
template <std::size_t Count>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, Count>& units) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return std::nullopt;
  const std::string_view name = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (name != unit.name) continue;
    if (number > std::numeric_limits<std::uint64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

std::optional<unsigned> parse_segment(std::string_view text) {
  unsigned segment = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), segment);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (segment < 1 || segment > 1000) return std::nullopt;
  return segment;
}

}  // namespace

std::optional<milliseconds> parse_duration(std::string_view text) {
  const auto count = parse_with_unit(text, kDurations);
  if (!count || *count > kLongest) return std::nullopt;
  return milliseconds(*count);
}

std::string duration_text(milliseconds duration) {
  const auto count = duration.count();
  if (count == 0) return "0s";
  for (const Unit& unit : kDurations) {
    const auto factor = static_cast<milliseconds::rep>(unit.factor);
    if (count % factor == 0) return std::to_string(count / factor) + std::string(unit.name);
  }
  return std::to_string(count) + "ms";
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (text == "0") return 0;
  return parse_with_unit(text, kSizes);
}

std::optional<session::KeySource> parse_key_source(std::string_view text) {
  using Kind = session::KeySource::Kind;
  if (text == "client_ip") return session::KeySource{Kind::ClientIp, "", 0};
  if (text == "subprotocol") return session::KeySource{Kind::Subprotocol, "", 0};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = text.substr(0, colon);
  const std::string name(text.substr(colon + 1));
  if (kind == "cookie" && wire::is_token(name)) return session::KeySource{Kind::Cookie, name, 0};
  if (kind == "header" && wire::is_token(name)) return session::KeySource{Kind::Header, name, 0};
  if (kind == "query" && !name.empty()) return session::KeySource{Kind::Query, name, 0};
  if (kind == "jwt" && !name.empty()) return session::KeySource{Kind::Jwt, name, 0};
  if (kind == "path") {
    const auto segment = parse_segment(name);
    if (segment) return session::KeySource{Kind::Path, name, *segment};
  }
  return std::nullopt;
}

std::optional<session::LearnSource> parse_learn_source(std::string_view text) {
  using Kind = session::LearnSource::Kind;
  if (text == "engine.io") return session::LearnSource{Kind::EngineIo, ""};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !wire::is_token(text.substr(colon + 1))) return std::nullopt;
  const std::string_view kind = text.substr(0, colon);
  const std::string name(text.substr(colon + 1));
  if (kind == "header") return session::LearnSource{Kind::Header, name};
  if (kind == "cookie") return session::LearnSource{Kind::Cookie, name};
  return std::nullopt;
}

}  // namespace limpet::config
