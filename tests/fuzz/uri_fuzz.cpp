// SPDX-License-Identifier: Apache-2.0
// Any bytes as path, query, authority and cookie: normalising is idempotent and leaves nothing to climb, decoding is
// the same piece by piece (cut at a place that the first two bytes choose, where that tears no escape), and nothing
// reads past an end.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/wire/http/cookie.h"
#include "proxy/wire/jwt.h"
#include "proxy/wire/uri.h"

namespace {

using namespace limpet::wire;

void require(bool claim) {
  if (!claim) std::abort();
}

void check_path(std::string_view input) {
  const auto path = normalise_path(input);
  require(path == "*" || path.starts_with('/'));
  require(path.find("//") == std::string::npos);
  require((path + "/").find("/../") == std::string::npos && (path + "/").find("/./") == std::string::npos);
  require(normalise_path(path) == path);
  require(path_has_prefix(path, "/") && path_has_prefix(path, path));
  require(!path_has_prefix(path + "x", path) || path.ends_with('/'));
  for (unsigned n = 0; n < 4; ++n) path_segment(input, n);
}

void check_authority(std::string_view input) {
  const auto host = host_without_port(input);
  require(host.size() <= input.size());
  if (!is_valid_authority(input)) return;
  require(!host.empty() && is_valid_authority(host) && is_valid_authority(host + ":80"));
  require(host_without_port(host) == host);
  require(input.find_first_of("/@ #?\\") == std::string_view::npos);
}

void check_cut(std::string_view input, std::size_t cut) {
  const auto left = input.substr(0, cut);
  const auto right = input.substr(cut);
  const auto last = left.rfind('%');
  const bool is_torn = last != std::string_view::npos && left.size() - last < 3;
  if (!is_torn) require(percent_decode(left) + percent_decode(right) == percent_decode(input));
  // A parameter of the left half is still the first of its name in the whole.
  const auto value = query_value(left, "a");
  if (value) require(query_value(std::string(left) + "&" + std::string(right), "a") == value);

  Fields fields;
  fields.add("Cookie", left);
  const auto cookie = cookie_value(fields, "a");
  fields.add("Cookie", right);
  if (cookie) require(cookie_value(fields, "a") == cookie);
  fields.add("Set-Cookie", right);
  set_cookie_value(fields, "a");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  check_path(input);
  check_authority(input);
  check_cut(input, (data[0] | data[1] << 8) % (input.size() + 1));
  jwt_claim(input, "sub");
  return 0;
}
