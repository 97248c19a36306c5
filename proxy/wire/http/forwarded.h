// SPDX-License-Identifier: Apache-2.0
// What proxies tell each other about the client: X-Forwarded-For lists, and elements of Forwarded (RFC 7239). Text
// only: which hop is believed, and what an address is, others decide.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

// The members of all X-Forwarded-For fields, in order, left to right (the nearest proxy's is the last), trimmed; empty
// ones are left out. Whatever else stands there is returned as it is.
std::vector<std::string> forwarded_for_hops(const Fields& fields);

// What the elements of all Forwarded fields say of their hops, in the same order; a parameter that is missing is "".
struct ForwardedHop {
  std::string node;  // `for`, unquoted
  std::string proto;
};
// Empty where any of it is malformed (RFC 7239 §4): it is not known then which hop is whose.
std::vector<ForwardedHop> forwarded_hops(const Fields& fields);

// "192.0.2.1:80" -> "192.0.2.1", "[2001:db8::1]:80" and "[2001:db8::1]" -> "2001:db8::1". Anything else, an IPv6
// address without brackets among it, is returned as it is.
std::string strip_port(std::string_view hop);

// `for=192.0.2.1;host=example.com;proto=https`, quoted where a value is no token (RFC 7239 §4); an IPv6 address gets
// its brackets (§6). An empty `for_ip` becomes "unknown" (§6.2). An empty host or proto is left out. A value with a
// control character, which cannot be quoted, counts as empty.
std::string forwarded_element(std::string_view for_ip, std::string_view host, std::string_view proto);

// Of X-Forwarded-Proto, a list of what each proxy saw: the client's own connection is the first.
bool is_secure_proto(std::string_view proto);

}  // namespace limpet::wire
