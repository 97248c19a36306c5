// SPDX-License-Identifier: Apache-2.0
// Authentication that logs a user in on a connection instead of a request: NTLM ([MS-NTHT]) and Negotiate (RFC 4559).
// Whoever comes next on that connection is taken for the same user, so it must never serve anyone else.
#pragma once

#include "proxy/wire/http/fields.h"

namespace limpet::wire {

// A request carries credentials of such a scheme: Authorization or Proxy-Authorization.
bool has_connection_credentials(const Fields& fields);
// A response offers such a scheme, or goes on with it: WWW-Authenticate or Proxy-Authenticate.
bool has_connection_challenge(const Fields& fields);

}  // namespace limpet::wire
