// SPDX-License-Identifier: Apache-2.0
// The closed sets of label values: one enum each, with the words that log, API and metrics share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace limpet::metrics {

enum class Protocol : std::uint8_t { WebSocket, Sse, LongPoll, Http, Mqtt, Stomp, Amqp, Tcp };
inline constexpr std::size_t kProtocols = 8;

// Why a session ended: the first cause wins.
enum class CloseReason : std::uint8_t {
  ClientClosed,
  BackendClosed,
  Drained,
  Rebalanced,
  Moved,
  Cut,
  IdleTimeout,
  SlowClient,
  ProtocolError,
  ConnectFailed,
  NoBackend,
  ResetByClient,
  ResetByBackend,
  Limit,
  Shutdown,
  HandedOver,
};
inline constexpr std::size_t kCloseReasons = 16;

enum class PickReason : std::uint8_t { Learned, Live, Hash, Fallback, Balance };
inline constexpr std::size_t kPickReasons = 5;

// Why a request or connection was turned away before it became a session.
enum class RejectReason : std::uint8_t {
  Origin,
  Limit,
  Rate,
  Malformed,
  NoBackend,
  NoRoute,
  TooLarge,
  Slow,
  Version,
  Draining
};
inline constexpr std::size_t kRejectReasons = 10;

enum class Direction : std::uint8_t { ToClient, ToBackend };
enum class Side : std::uint8_t { Client, Backend };
enum class By : std::uint8_t { Client, Backend, Limpet };
enum class HttpVersion : std::uint8_t { Http10, Http11, Http2 };
inline constexpr std::size_t kHttpVersions = 3;

// Why accepting paused.
enum class PauseReason : std::uint8_t { Descriptors, MaxSessions, MemoryBudget };
inline constexpr std::size_t kPauseReasons = 3;

std::string_view name(Protocol protocol);    // "websocket" "sse" "long_poll" "http" "mqtt" "stomp" "amqp" "tcp"
std::string_view name(CloseReason reason);   // "client_closed" …
std::string_view name(PickReason reason);    // "learned" …
std::string_view name(RejectReason reason);  // "origin" …
std::string_view name(Direction direction);  // "to_client" "to_backend"
std::string_view name(Side side);            // "client" "backend"
std::string_view name(By by);                // "client" "backend" "limpet"
std::string_view name(HttpVersion version);  // "1.0" "1.1" "2"
std::string_view name(PauseReason reason);   // "descriptors" "max_sessions" "memory_budget"

// The `code` label of limpet_websocket_closes_total: 1000-1015 each, then "3xxx", "4xxx", "none", "other".
inline constexpr std::size_t kCloseCodes = 20;
std::size_t close_code_index(std::uint16_t code);  // 0: no Close frame at all: "none"
std::string_view close_code_name(std::size_t index);

}  // namespace limpet::metrics
