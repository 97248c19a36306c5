// SPDX-License-Identifier: Apache-2.0
// Heads: what hostile ones get, by a table, and what good ones mean. Every row runs on every split as well: a beginning
// is either still undecided or already refused, with the status that the whole gets. Bodies are in http1_body_test.cpp.
#include "proxy/wire/http1.h"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

HeadResult parse_request(std::string_view input, RequestHead& head) {
  return parse_request_head(input, {}, head);
}

struct Hostile {
  std::string_view what;
  std::string_view head;
  unsigned http_status;
};

// The numbers are the guards that Beast lacks; rows without one are Beast's own or the scan's.
constexpr Hostile kRequests[] = {
    // 1: Transfer-Encoding
    {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"sv, 501},
    {"identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"sv, 501},
    {"gzip alone", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"sv, 501},
    {"quoted chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"sv, 400},
    {"quoted with apostrophes", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: 'chunked'\r\n\r\n"sv, 501},
    {"empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"sv, 400},
    {"chunked then gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"sv, 400},
    {"gzip then chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv, 400},
    {"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"sv, 400},
    {"comma before", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n"sv, 400},
    {"comma behind", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n"sv, 400},
    {"parameter", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n"sv, 400},
    {"two words", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked chunked\r\n\r\n"sv, 400},
    {"vertical tab",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n"sv,
     400},
    {"byte above 0x7f", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\xa0\r\n\r\n"sv, 400},
    {"two fields, both chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 400},
    {"two fields, the second other",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"sv, 400},
    {"two fields, the first other",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 400},
    {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 400},
    {"other coding in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n"sv, 400},
    {"both, length first", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     400},
    {"both, coding first", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"sv,
     400},
    {"both, the coding unknown",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n"sv, 400},
    {"both, the length zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\ntransfer-encoding: chunked\r\n\r\n"sv,
     400},
    // 2: Content-Length
    {"same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, 400},
    {"other length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"sv, 400},
    {"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n"sv, 400},
    {"list of other lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n"sv, 400},
    {"length with a comma", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\n"sv, 400},
    {"length with a plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n"sv, 400},
    {"length with a minus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"sv, 400},
    {"minus zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"sv, 400},
    {"hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n"sv, 400},
    {"length with letters", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5a\r\n\r\n"sv, 400},
    {"length with a point", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n"sv, 400},
    {"length of two words", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n"sv, 400},
    {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"sv, 400},
    {"quoted length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\n"sv, 400},
    {"length of 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n"sv, 400},
    {"length past 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n"sv, 400},
    {"length in 1.0 twice", "POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, 400},
    // 3: obs-fold
    {"folded field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"sv, 400},
    {"folded with a tab", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"sv, 400},
    {"folded coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"sv, 400},
    {"folded coding behind chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n ,x\r\n\r\n"sv, 400},
    {"folded length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n 0\r\n\r\n"sv, 400},
    {"fold before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"sv, 400},
    {"line of white space", "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n"sv, 400},
    {"folded Host", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n"sv, 400},
    // 4: Host, target, method
    {"no Host", "GET / HTTP/1.1\r\nX: a\r\n\r\n"sv, 400},
    {"no field at all", "GET / HTTP/1.1\r\n\r\n"sv, 400},
    {"Host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"sv, 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n"sv, 400},
    {"Host twice in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"sv, 400},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"sv, 400},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"sv, 400},
    {"Host with a query", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"sv, 400},
    {"Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"sv, 400},
    {"Host of two words", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"sv, 400},
    {"list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"sv, 400},
    {"Host with an odd port", "GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n"sv, 400},
    {"Host with two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"sv, 400},
    {"Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"sv, 400},
    {"Host above 0x7f", "GET / HTTP/1.1\r\nHost: a\xc3\xa9\r\n\r\n"sv, 400},
    {"Host unlike the target", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"sv, 400},
    {"Host's port unlike the target's", "GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n"sv, 400},
    {"absolute target without Host", "GET http://a/ HTTP/1.1\r\n\r\n"sv, 400},
    {"absolute target with userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"absolute target without authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"scheme of one slash", "GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"relative target", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"authority-form", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"sv, 400},
    {"asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"asterisk and more", "OPTIONS */ HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target above 0x7f", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with 0xa0", "GET /a\xa0HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with a space", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with a tab", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with DEL", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"target with NUL", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"sv, 501},
    {"CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 501},
    {"method that is no token", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"method with a colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"method above 0x7f", "G\xc9T / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"tab behind the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"endless method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"sv, 400},
    // version
    {"HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"sv, 505},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, 505},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"sv, 505},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"sv, 505},
    {"no version", "GET /\r\n\r\n"sv, 400},
    {"no version but a space", "GET / \r\n\r\n"sv, 400},
    {"version in lower case", "GET / http/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"version with more digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"sv, 400},
    {"version of one number", "GET / HTTP/1\r\nHost: a\r\n\r\n"sv, 400},
    {"space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"sv, 400},
    {"two versions", "GET / HTTP/1.1 HTTP/2.0\r\nHost: a\r\n\r\n"sv, 400},
    {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    // 6: lines and bytes
    {"LF lines", "GET / HTTP/1.1\nHost: a\n\n"sv, 400},
    {"one LF line", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"sv, 400},
    {"LF only at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"sv, 400},
    {"LF behind the start line", "GET / HTTP/1.1\n"sv, 400},
    {"LF first", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"CR within a line", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"sv, 400},
    {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"sv, 400},
    {"CR only at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX"sv, 400},
    {"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"sv, 400},
    {"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"sv, 400},
    {"control in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"sv, 400},
    {"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"sv, 400},
    {"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00"sv, 400},
    // fields
    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"sv, 400},
    {"tab before the colon", "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"sv, 400},
    {"space in a name", "GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"sv, 400},
    {"no name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"sv, 400},
    {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"sv, 400},
    {"name above 0x7f", "GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n"sv, 400},
    {"name with a bracket", "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n"sv, 400},
    {"Connection that is no list", "GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n"sv, 400},
    {"unknown expectation", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: a-miracle\r\n\r\n"sv, 417},
    {"expectation and another", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n"sv, 417},
    // 7: empty lines before
    {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
    {"CR before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv, 400},
};

constexpr Hostile kResponses[] = {
    {"an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n"sv, 502},
    {"a body without a head", "<html>"sv, 502},
    {"H and then something else", "HELO example.com\r\n"sv, 502},
    {"another protocol's version", "ICY 200 OK\r\n\r\n"sv, 502},
    {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"sv, 502},
    {"HTTP/2 short", "HTTP/2 200\r\n\r\n"sv, 502},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"sv, 502},
    {"HTTP/0.9", "HTTP/0.9 200 OK\r\n\r\n"sv, 502},
    {"version in lower case", "http/1.1 200 OK\r\n\r\n"sv, 502},
    {"empty line before", "\r\nHTTP/1.1 200 OK\r\n\r\n"sv, 502},
    {"status 099", "HTTP/1.1 099 X\r\n\r\n"sv, 502},
    {"status 000", "HTTP/1.1 000 X\r\n\r\n"sv, 502},
    {"status of two digits", "HTTP/1.1 20 OK\r\n\r\n"sv, 502},
    {"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n"sv, 502},
    {"status with a letter", "HTTP/1.1 2x0 OK\r\n\r\n"sv, 502},
    {"negative status", "HTTP/1.1 -20 OK\r\n\r\n"sv, 502},
    {"no status", "HTTP/1.1\r\n\r\n"sv, 502},
    {"no status but a space", "HTTP/1.1 \r\n\r\n"sv, 502},
    {"two spaces", "HTTP/1.1  200 OK\r\n\r\n"sv, 502},
    {"no space behind the status", "HTTP/1.1 200OK\r\n\r\n"sv, 502},
    {"control in the reason", "HTTP/1.1 200 O\x01K\r\n\r\n"sv, 502},
    {"NUL in the reason", "HTTP/1.1 200 O\0K\r\n\r\n"sv, 502},
    {"LF lines", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"sv, 502},
    {"LF at the end", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"sv, 502},
    {"CR within a line", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n"sv, 502},
    {"folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"sv, 502},
    {"folded coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"sv, 502},
    {"fold before the first field", "HTTP/1.1 200 OK\r\n X: a\r\n\r\n"sv, 502},
    {"space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n"sv, 502},
    {"no colon", "HTTP/1.1 200 OK\r\nX\r\n\r\n"sv, 502},
    {"no name", "HTTP/1.1 200 OK\r\n: a\r\n\r\n"sv, 502},
    {"NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"sv, 502},
    {"both, length first", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 502},
    {"both, coding first", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"sv, 502},
    {"both, the coding unknown", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n"sv, 502},
    {"both where there is no body", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"sv, 502},
    {"same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, 502},
    {"other length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"sv, 502},
    {"list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n"sv, 502},
    {"length with a plus", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"sv, 502},
    {"length with a minus", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"sv, 502},
    {"empty length", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n"sv, 502},
    {"length of 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n"sv, 502},
    {"length past 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"sv, 502},
    {"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 502},
    {"other coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"sv, 502},
    {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n"sv, 502},
    {"identity", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"sv, 502},
    {"empty coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\n"sv, 502},
    {"gzip then chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv, 502},
    {"chunked then gzip", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"sv, 502},
    {"chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 502},
    {"parameter", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"sv, 502},
};

static_assert(std::size(kRequests) + std::size(kResponses) >= 105);

template <typename Parse>
void refuses_whole_and_split(const Hostile& row, const Parse& parse) {
  BOOST_TEST_CONTEXT(row.what) {
    const HeadResult whole = parse(row.head);
    BOOST_TEST((whole.status == Status::Bad));
    BOOST_TEST(whole.http_status == row.http_status);
    BOOST_TEST(whole.why != ""sv);
    bool was_bad = false;
    for (std::size_t size = 0; size < row.head.size(); ++size) {
      BOOST_TEST_CONTEXT(size << " bytes") {
        const std::string beginning(row.head.substr(0, size));  // a copy, so that a sanitizer sees a read past it
        const HeadResult part = parse(beginning);
        BOOST_TEST((part.status != Status::Done));
        if (part.status == Status::Bad) BOOST_TEST(part.http_status == row.http_status);
        BOOST_TEST((part.status == Status::Bad || !was_bad));
        was_bad = part.status == Status::Bad;
      }
    }
  }
}

RequestHead request(std::string_view text) {
  RequestHead head;
  for (std::size_t size = 0; size < text.size(); ++size) {
    BOOST_TEST((parse_request(std::string(text.substr(0, size)), head).status == Status::NeedMore));
  }
  const auto result = parse_request(std::string(text) + "GET /next HTTP/1.1\r\n", head);
  BOOST_TEST_CONTEXT(text << result.why) BOOST_REQUIRE((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size());
  return head;
}

ResponseHead response(std::string_view text, std::string_view method = "GET") {
  ResponseHead head;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string beginning(text.substr(0, size));
    BOOST_TEST((parse_response_head(beginning, {}, method, head).status == Status::NeedMore));
  }
  const auto result = parse_response_head(std::string(text) + "\x01\nbody", {}, method, head);
  BOOST_TEST_CONTEXT(text << result.why) BOOST_REQUIRE((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size());
  return head;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http1)

BOOST_AUTO_TEST_CASE(hostile_requests_are_refused_whole_and_on_every_split) {
  for (const auto& row : kRequests) {
    RequestHead head;
    refuses_whole_and_split(row, [&](std::string_view input) { return parse_request(input, head); });
  }
}

BOOST_AUTO_TEST_CASE(hostile_responses_are_refused_whole_and_on_every_split) {
  for (const auto& row : kResponses) {
    ResponseHead head;
    refuses_whole_and_split(row, [&](std::string_view input) { return parse_response_head(input, {}, "GET", head); });
  }
}

BOOST_AUTO_TEST_CASE(what_can_never_be_a_head_is_refused_at_once) {
  RequestHead request;
  for (const auto text : {"\x16"sv, "GET / HTTP/1.1\r\nHost: a\n"sv, "GET / HTTP/1.1\r\nX: \0"sv, "("sv, "G\n"sv,
                          "GET / HTTP/1.1\r\nA: b\r\n "sv, "\r\n\r"sv, "GET /\rx"sv}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST((parse_request(text, request).status == Status::Bad));
  }
  ResponseHead response;
  for (const auto text : {"S"sv, "HTTP/2"sv, "HTTP/1.2"sv, "HTTP/1.1 0"sv, "HTTP/1.1 2000"sv, "HTTP/1.1 200\n"sv}) {
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST((parse_response_head(text, {}, "GET", response).status == Status::Bad));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_request_head_is_taken_apart) {
  const auto head =
      request("GET /a/b?c=d?e HTTP/1.1\r\nHost: Example.com:8080\r\nX-A:  b\tc \t\r\nEmpty:\r\nx-a: \xe9\r\n\r\n");
  BOOST_TEST(head.method == "GET");
  BOOST_TEST(head.target == "/a/b?c=d?e");
  BOOST_TEST(head.path() == "/a/b");
  BOOST_TEST(head.query() == "c=d?e");
  BOOST_TEST(head.authority == "Example.com:8080");
  BOOST_TEST(head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST(!head.expects_continue);
  BOOST_TEST((head.framing == Framing::None));
  BOOST_REQUIRE(head.fields.size() == 4U);
  BOOST_TEST(head.fields[1].name == "X-A");
  BOOST_TEST(head.fields[1].value == "b\tc");
  BOOST_TEST(head.fields[2].value == "");
  BOOST_TEST(head.fields.find("x-A").value_or("none") == "b\tc");
  BOOST_TEST(head.fields[3].value == "\xe9");
  std::size_t found = 0;
  for (std::size_t i = 0; i < head.fields.size(); ++i) found += equals_ignoring_case(head.fields[i].name, "X-a");
  BOOST_TEST(found == 2U);
}

BOOST_AUTO_TEST_CASE(a_head_object_can_be_used_again) {
  RequestHead head;
  BOOST_TEST((parse_request("PUT http://a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n"
                            "Connection: close\r\n\r\n",
                            head)
                  .status == Status::Done));
  BOOST_TEST((parse_request("GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head).status == Status::Done));
  BOOST_TEST(head.method == "GET");
  BOOST_TEST(head.target == "/b");
  BOOST_TEST(head.authority == "");
  BOOST_TEST(!head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST(!head.expects_continue);
  BOOST_TEST((head.framing == Framing::None));
  BOOST_TEST(head.length == 0U);
  BOOST_TEST(head.fields.size() == 1U);
}

BOOST_AUTO_TEST_CASE(targets_are_reduced_to_origin_form) {
  struct Row {
    std::string_view method, target, host, reduced, authority;
  };
  for (const auto& row : {Row{"GET", "http://a/b?c", "a", "/b?c", "a"}, Row{"GET", "HTTPS://A:8/b", "a:8", "/b", "A:8"},
                          Row{"GET", "http://a", "a", "/", "a"}, Row{"GET", "http://a?b", "a", "/?b", "a"},
                          Row{"OPTIONS", "http://a", "a", "*", "a"}, Row{"OPTIONS", "http://a/", "a", "/", "a"},
                          Row{"OPTIONS", "*", "a", "*", "a"}, Row{"GET", "//b/c", "a", "//b/c", "a"},
                          Row{"GET", "http://[::1]:8/", "[::1]:8", "/", "[::1]:8"},
                          Row{"GET", "/a%00|{}^", "a", "/a%00|{}^", "a"}, Row{"get", "/", "a", "/", "a"}}) {
    const auto head = request(std::string(row.method) + " " + std::string(row.target) +
                              " HTTP/1.1\r\nHost: " + std::string(row.host) + "\r\n\r\n");
    BOOST_TEST(head.method == row.method);
    BOOST_TEST(head.target == row.reduced);
    BOOST_TEST(head.authority == row.authority);
  }
  BOOST_TEST(request("GET http://a/b HTTP/1.0\r\n\r\n").authority == "a");
}

BOOST_AUTO_TEST_CASE(one_empty_line_before_a_request_is_skipped) {
  RequestHead head;
  const auto text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest"sv;
  const auto result = parse_request(text, head);
  BOOST_TEST((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size() - 4);
  for (const auto part : {""sv, "\r"sv, "\r\n"sv}) BOOST_TEST((parse_request(part, head).status == Status::NeedMore));
}

BOOST_AUTO_TEST_CASE(requests_are_framed_by_length_or_chunks_or_have_no_body) {
  const auto length = request("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 9223372036854775807\r\n\r\n");
  BOOST_TEST((length.framing == Framing::Length));
  BOOST_TEST(length.length == 9223372036854775807U);
  const auto zero = request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST((zero.framing == Framing::Length));
  BOOST_TEST(zero.length == 0U);
  const auto chunked = request("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n");
  BOOST_TEST((chunked.framing == Framing::Chunked));
  BOOST_TEST((request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").framing == Framing::None));
}

BOOST_AUTO_TEST_CASE(connections_are_kept_as_the_version_and_the_peer_say) {
  const auto keeps = [](std::string_view version, std::string_view fields) {
    return request("GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n").keep_alive;
  };
  BOOST_TEST(keeps("HTTP/1.1", ""));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: close\r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: x\r\nconnection: upgrade, CLOSE\r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: keep-alive, close\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", ""));
  BOOST_TEST(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", "Proxy-Connection: keep-alive\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

BOOST_AUTO_TEST_CASE(an_expectation_of_100_is_seen_in_http11_only) {
  BOOST_TEST(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
  BOOST_TEST(!request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

BOOST_AUTO_TEST_CASE(a_head_may_be_as_large_as_the_limit_and_no_larger) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(500, 'x') + "\r\n\r\n";
  RequestHead out;
  BOOST_TEST((parse_request_head(head, {head.size(), 2}, out).status == Status::Done));
  for (std::size_t size = 0; size <= head.size(); ++size) {
    const auto result = parse_request_head(head.substr(0, size), {head.size() - 1, 2}, out);
    const bool is_over = size >= head.size() - 1;
    BOOST_TEST((result.status == (is_over ? Status::Bad : Status::NeedMore)));
    if (is_over) BOOST_TEST(result.http_status == 431U);
  }
  ResponseHead response;
  const auto result = parse_response_head("HTTP/1.1 200 OK\r\nX: y", {20, 2}, "GET", response);
  BOOST_TEST((result.status == Status::Bad));
  BOOST_TEST(result.http_status == 502U);
}

BOOST_AUTO_TEST_CASE(a_head_far_over_the_usual_8_kib_is_taken_up_to_the_limit) {
  const std::string head =
      "GET /" + std::string(40000, 'p') + " HTTP/1.1\r\nHost: a\r\nX: " + std::string(20000, 'x') + "\r\n\r\n";
  RequestHead out;
  BOOST_TEST((parse_request(head, out).status == Status::Done));
  BOOST_TEST(out.fields.find("x")->size() == 20000U);
}

BOOST_AUTO_TEST_CASE(a_head_may_have_as_many_fields_as_the_limit_and_no_more) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < 256; ++i) head += "A: b\r\n";
  RequestHead out;
  BOOST_TEST((parse_request(head + "\r\n", out).status == Status::Done));
  BOOST_TEST(out.fields.size() == 256U);
  BOOST_TEST((parse_request(head, out).status == Status::NeedMore));
  const auto result = parse_request(head + "A: b\r\n", out);
  BOOST_TEST((result.status == Status::Bad));
  BOOST_TEST(result.http_status == 431U);
}

BOOST_AUTO_TEST_CASE(a_response_head_is_taken_apart) {
  const auto head = response("HTTP/1.1 404 Not  F\xfcnd\r\nContent-Length: 12\r\nServer: x\r\n\r\n");
  BOOST_TEST(head.status == 404U);
  BOOST_TEST(head.reason == "Not  F\xfcnd");
  BOOST_TEST(head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST((head.framing == Framing::Length));
  BOOST_TEST(head.length == 12U);
  BOOST_TEST(head.fields.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_status_line_needs_no_reason_nor_its_space) {
  for (const auto line : {"HTTP/1.1 204\r\n"sv, "HTTP/1.1 204 \r\n"sv}) {
    const auto head = response(std::string(line) + "X: y\r\n\r\n");
    BOOST_TEST(head.status == 204U);
    BOOST_TEST(head.reason == "");
    BOOST_TEST(head.fields.find("X").value_or("none") == "y");
  }
  BOOST_TEST(response("HTTP/1.0 200\r\n\r\n").status == 200U);
  BOOST_TEST(!response("HTTP/1.0 200\r\n\r\n").http11);
  BOOST_TEST(response("HTTP/1.1 999 Odd\r\n\r\n").status == 999U);
}

BOOST_AUTO_TEST_CASE(method_and_status_decide_whether_a_response_has_a_body) {
  struct Row {
    std::string_view method, status, field;
    Framing framing;
  };
  constexpr std::string_view kLength = "Content-Length: 5\r\n";
  constexpr std::string_view kChunked = "Transfer-Encoding: chunked\r\n";
  for (const auto& row : {Row{"GET", "200", kLength, Framing::Length}, Row{"GET", "200", kChunked, Framing::Chunked},
                          Row{"GET", "200", "", Framing::UntilClose}, Row{"POST", "201", "", Framing::UntilClose},
                          Row{"HEAD", "200", kLength, Framing::None}, Row{"HEAD", "200", kChunked, Framing::None},
                          Row{"HEAD", "404", "", Framing::None}, Row{"GET", "100", "", Framing::None},
                          Row{"GET", "101", "", Framing::None}, Row{"GET", "103", kLength, Framing::None},
                          Row{"GET", "204", kLength, Framing::None}, Row{"GET", "204", "", Framing::None},
                          Row{"GET", "304", kLength, Framing::None}, Row{"GET", "304", kChunked, Framing::None},
                          Row{"GET", "205", "", Framing::UntilClose}, Row{"head", "200", kLength, Framing::Length}}) {
    const auto text = "HTTP/1.1 " + std::string(row.status) + " X\r\n" + std::string(row.field) + "\r\n";
    BOOST_TEST_CONTEXT(row.method << " " << row.status << " " << row.field) {
      const auto head = response(text, row.method);
      BOOST_TEST((head.framing == row.framing));
      BOOST_TEST(head.length == (row.framing == Framing::Length ? 5U : 0U));
      BOOST_TEST(head.keep_alive == (row.framing != Framing::UntilClose));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_response_keeps_the_connection_as_version_and_framing_allow) {
  BOOST_TEST(!response("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").keep_alive);
  BOOST_TEST(response("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  BOOST_TEST(!response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  BOOST_TEST(!response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n").keep_alive);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
