// SPDX-License-Identifier: Apache-2.0
// The words of the label values, in the order of their enums. They are a public interface: dashboards and alerts name
// them.
#include "metrics/labels.h"

#include <array>

namespace limpet::metrics {

namespace {

using Word = std::string_view;

constexpr std::array<Word, kProtocols> kProtocolNames = {"websocket", "sse",   "long_poll", "http",
                                                         "mqtt",      "stomp", "amqp",      "tcp"};
constexpr std::array<Word, kCloseReasons> kCloseReasonNames = {
    "client_closed",    "backend_closed", "drained",        "rebalanced",     "moved",      "cut",
    "idle_timeout",     "slow_client",    "protocol_error", "connect_failed", "no_backend", "reset_by_client",
    "reset_by_backend", "limit",          "shutdown",       "handed_over"};
constexpr std::array<Word, kPickReasons> kPickReasonNames = {"learned", "live", "hash", "fallback", "balance"};
constexpr std::array<Word, kRejectReasons> kRejectReasonNames = {
    "origin", "limit", "rate", "malformed", "no_backend", "no_route", "too_large", "slow", "version", "draining"};
constexpr std::array<Word, 2> kDirectionNames = {"to_client", "to_backend"};
constexpr std::array<Word, 2> kSideNames = {"client", "backend"};
constexpr std::array<Word, 3> kByNames = {"client", "backend", "limpet"};
constexpr std::array<Word, kHttpVersions> kHttpVersionNames = {"1.0", "1.1", "2"};
constexpr std::array<Word, kPauseReasons> kPauseReasonNames = {"descriptors", "max_sessions", "memory_budget"};
constexpr std::array<Word, kCloseCodes> kCloseCodeNames = {"1000", "1001", "1002", "1003", "1004", "1005", "1006",
                                                           "1007", "1008", "1009", "1010", "1011", "1012", "1013",
                                                           "1014", "1015", "3xxx", "4xxx", "none", "other"};

template <typename Enum, std::size_t kSize>
Word of(const std::array<Word, kSize>& names, Enum value) {
  return names.at(static_cast<std::size_t>(value));
}

}  // namespace

std::string_view name(Protocol protocol) {
  return of(kProtocolNames, protocol);
}
std::string_view name(CloseReason reason) {
  return of(kCloseReasonNames, reason);
}
std::string_view name(PickReason reason) {
  return of(kPickReasonNames, reason);
}
std::string_view name(RejectReason reason) {
  return of(kRejectReasonNames, reason);
}
std::string_view name(Direction direction) {
  return of(kDirectionNames, direction);
}
std::string_view name(Side side) {
  return of(kSideNames, side);
}
std::string_view name(By by) {
  return of(kByNames, by);
}
std::string_view name(HttpVersion version) {
  return of(kHttpVersionNames, version);
}
std::string_view name(PauseReason reason) {
  return of(kPauseReasonNames, reason);
}

std::size_t close_code_index(std::uint16_t code) {
  if (code == 0) return 18;
  if (code >= 1000 && code <= 1015) return code - 1000U;
  if (code >= 3000 && code <= 3999) return 16;
  if (code >= 4000 && code <= 4999) return 17;
  return 19;
}

std::string_view close_code_name(std::size_t index) {
  return kCloseCodeNames.at(index);
}

}  // namespace limpet::metrics
