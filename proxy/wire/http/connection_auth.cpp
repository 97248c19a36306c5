// SPDX-License-Identifier: Apache-2.0
// See connection_auth.h. Schemes are looked for wherever one may stand, inside quotes, too: to take something for a
// login that is none costs a connection, to overlook one would lend a user to others.
#include "proxy/wire/http/connection_auth.h"

#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

bool is_connection_scheme(std::string_view scheme) {
  return equals_ignoring_case(scheme, "NTLM") || equals_ignoring_case(scheme, "Negotiate");
}

// The scheme begins an element of the list (RFC 9110 §11.6.1), and a space or the element's end follows. What is quoted
// is not told apart: a quote that is never closed would hide what follows it, and to bind a connection that need not be
// harms nobody.
bool names_connection_scheme(std::string_view value) {
  while (true) {
    const auto comma = value.find(',');
    const auto element = trimmed(value.substr(0, comma));
    if (is_connection_scheme(element.substr(0, element.find_first_of(" \t")))) return true;
    if (comma == std::string_view::npos) return false;
    value.remove_prefix(comma + 1);
  }
}

bool any_names_it(const Fields& fields, FieldName one, FieldName other) {
  if (!fields.has(one) && !fields.has(other)) return false;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if ((fields.known(i) == one || fields.known(i) == other) && names_connection_scheme(fields[i].value)) return true;
  }
  return false;
}

}  // namespace

bool has_connection_credentials(const Fields& fields) {
  return any_names_it(fields, FieldName::Authorization, FieldName::ProxyAuthorization);
}

bool has_connection_challenge(const Fields& fields) {
  return any_names_it(fields, FieldName::WwwAuthenticate, FieldName::ProxyAuthenticate);
}

}  // namespace limpet::wire
