// SPDX-License-Identifier: Apache-2.0
// Cookies (RFC 6265): reading a request's Cookie fields, naming what a response's Set-Cookie sets.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

// The value of the first cookie `name` in any Cookie field, without surrounding quotes; otherwise as it is (§5.4,
// §4.1.1).
std::optional<std::string> cookie_value(const Fields& request, std::string_view name);

// The value that a response gives the cookie `name` in its last Set-Cookie field of that name, without surrounding
// quotes (§5.2, §5.3). Empty where the cookie is being emptied; attributes (Max-Age and so on) are not looked at.
std::optional<std::string> set_cookie_value(const Fields& response, std::string_view name);

}  // namespace limpet::wire
