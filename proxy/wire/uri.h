// SPDX-License-Identifier: Apache-2.0
// Targets and what they carry: paths, queries, hosts (RFC 3986, RFC 9110 §7.2). Pure functions over bytes of hostile
// origin.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace limpet::wire {

// "%41" -> "A"; '+' stays. A '%' without two hex digits stays as it is.
std::string percent_decode(std::string_view text);

// The percent-decoded value of the first parameter `name` of a query ("a=1&b=2").
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// The percent-decoded Nth segment of a path, from 1. nullopt where there are fewer, or it is empty.
std::optional<std::string> path_segment(std::string_view path, unsigned n);

// For matching only: percent-decodes unreserved characters, removes dot segments, merges slashes (RFC 3986 §6.2.2).
// Other escapes get upper case digits, and a '%' without two hex digits becomes "%25". Doing it twice changes nothing
// more.
std::string normalise_path(std::string_view path);

// True if normalised `path` begins with `prefix`, which ends at a segment: "/a" and "/a/" match "/a/b" and "/a"; not
// "/ab".
bool path_has_prefix(std::string_view path, std::string_view prefix);

// For matching only: lower case, without the port and without the dot that ends an absolute name (RFC 1034 §3.1).
// Brackets of an IPv6 literal stay.
std::string host_without_port(std::string_view authority);

// RFC 3986 authority of a Host field: reg-name, IPv4 or [IPv6], optionally a port; no userinfo.
bool is_valid_authority(std::string_view authority);

}  // namespace limpet::wire
