// SPDX-License-Identifier: Apache-2.0
// The guards around the parsers: what a head must be before Boost.Beast sees it, and what the fields of any head, plain
// or not, must say together afterwards (RFC 9112 §2-3, §6, §9; RFC 9110 §7.2, §10.1.1). For http1.cpp and
// plain_head.cpp only. Pure functions over hostile bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

inline constexpr std::size_t kMaxMethod = 64;  // bytes

enum class HeadKind : std::uint8_t { Request, Response };

// Why a head is refused, and with which status; http_status 0: it is not.
struct Refusal {
  unsigned http_status = 0;
  const char* why = "";

  explicit operator bool() const { return http_status != 0; }
};

// Finds the end of a head in one pass over its lines, refusing what can be seen without understanding fields: bare LF
// and CR, controls, obs-fold, a start line that cannot become one, sizes over the limits. What is refused is refused at
// the first bytes that show it, and the verdict on a beginning never differs from the one on the whole.
struct HeadScan {
  Status status = Status::NeedMore;
  std::size_t size = 0;    // with the empty line, where Done
  std::size_t fields = 0;  // lines that are fields
  std::string_view start_line;
  Refusal refusal;
};
HeadScan scan_head(std::string_view input, const HeadLimits& limits, HeadKind kind);

// What the fields of a head say about the message as a whole; collected as they are read.
struct FieldSummary {
  unsigned hosts = 0;
  unsigned lengths = 0;
  unsigned codings = 0;
  std::size_t connection_size = 0;  // of all Connection values
  std::string_view host;            // the last of each
  std::string_view length;
  std::string_view coding;
  bool says_close = false;
  bool says_keep_alive = false;
  bool expects_continue = false;
  bool expects_other = false;

  void add(FieldName name, std::string_view value);
};

// What a head may say at most about its connection: every other field's name is looked for in it.
Refusal check_connection(const FieldSummary& fields);

// Body framing by Transfer-Encoding and Content-Length alone; `if_neither` where a message has neither.
Refusal read_framing(const FieldSummary& fields, bool http11, Framing if_neither, Framing& framing,
                     std::uint64_t& length);

// Reduces `head.target` to origin-form or "*" and sets `head.authority`. Requires: method, target and http11 of `head`.
Refusal read_target(const FieldSummary& fields, RequestHead& head);

// "GET / HTTP/3.0": a start line in order but for its version.
bool has_foreign_version(std::string_view request_line);

}  // namespace limpet::wire
