// SPDX-License-Identifier: Apache-2.0
// Which fields tell that a user logs in on the connection (RFC 4559, NTLM), and which do not.
#include "proxy/wire/http/connection_auth.h"

#include <boost/test/unit_test.hpp>
#include <string_view>

namespace limpet::wire {

namespace {

bool challenges(std::string_view value) {
  Fields fields;
  fields.add("WWW-Authenticate", value);
  return has_connection_challenge(fields);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(connection_auth)

BOOST_AUTO_TEST_CASE(ntlm_and_negotiate_are_known_in_any_case_with_and_without_a_token) {
  for (const auto value : {"NTLM", "ntlm", "Negotiate", "nEGOTIATE",
                           "NTLM TlRMTVNTUAAB==", "Negotiate oYG2MIGz/+w=", "negotiate\tYII", "NTLM ,"}) {
    BOOST_TEST_INFO_SCOPE(value);
    BOOST_TEST(challenges(value));
    Fields credentials;
    credentials.add("authorization", value);
    BOOST_TEST(has_connection_credentials(credentials));
    BOOST_TEST(!has_connection_challenge(credentials));
  }
}

BOOST_AUTO_TEST_CASE(one_of_several_challenges_is_found) {
  BOOST_TEST(challenges("Basic realm=\"a, b\", charset=\"UTF-8\", NTLM"));
  BOOST_TEST(challenges("Negotiate, Basic realm=x"));
  BOOST_TEST(challenges(",, \tnegotiate YII=,Digest nonce=\"q\""));
  Fields repeated;
  repeated.add("WWW-Authenticate", "Basic realm=\"x\"");
  repeated.add("Www-Authenticate", "NTLM");
  BOOST_TEST(has_connection_challenge(repeated));
}

BOOST_AUTO_TEST_CASE(a_quote_that_is_never_closed_hides_nothing) {
  BOOST_TEST(challenges("Basic realm=\"x, NTLM"));
}

BOOST_AUTO_TEST_CASE(a_proxys_own_fields_count_too) {
  Fields challenge;
  challenge.add("Proxy-Authenticate", "NTLM");
  BOOST_TEST(has_connection_challenge(challenge));
  Fields credentials;
  credentials.add("Proxy-Authorization", "Negotiate YII=");
  BOOST_TEST(has_connection_credentials(credentials));
}

BOOST_AUTO_TEST_CASE(what_authenticates_each_request_binds_nothing) {
  for (const auto value : {"", "Basic bnRsbTpudGxt", "Bearer NTLM", "NTLMv3 x", "Digest username=\"ntlm\"",
                           "Basic realm=NTLM", "Basic realm=x, negotiate=1", "Negotiated"}) {
    BOOST_TEST_INFO_SCOPE(value);
    BOOST_TEST(!challenges(value));
  }
  Fields other;
  other.add("X-Authenticate", "NTLM");
  BOOST_TEST(!has_connection_challenge(other));
  BOOST_TEST(!has_connection_credentials(other));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
