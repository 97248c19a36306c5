// SPDX-License-Identifier: Apache-2.0
// Heads that must not pass: what they get, by a table. Every row runs on every split as well: a beginning is either
// still undecided or already refused, with the status that the whole gets. What good heads mean is in http1_test.cpp.
#include <boost/test/unit_test.hpp>
#include <string>

#include "proxy/wire/http/head_guards.h"
#include "proxy/wire/http/http1.h"

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
    {"status 600", "HTTP/1.1 600 X\r\n\r\n"sv, 502},
    {"status 999", "HTTP/1.1 999 X\r\n\r\n"sv, 502},
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

}  // namespace

BOOST_AUTO_TEST_SUITE(http1_refusals)

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

// Every field's name is looked for in what Connection says.
BOOST_AUTO_TEST_CASE(what_connection_says_is_bounded_together) {
  for (const std::string& element : {std::string(","), std::string("keep-alive"), std::string("a, ")}) {
    const auto head_with = [&](std::string_view start, std::size_t size) {
      std::string head = std::string(start) + "\r\n";
      for (; size > 128; size -= 128) head += "Connection: " + std::string(128, ',') + "\r\n";
      std::string value = element;
      while (value.size() < size) value += ",";
      return head + "Connection: " + value.substr(0, size) + "\r\n\r\n";
    };
    RequestHead request;
    BOOST_TEST((parse_request(head_with("GET / HTTP/1.1\r\nHost: a", 512), request).status == Status::Done));
    const auto refused = parse_request(head_with("GET / HTTP/1.1\r\nHost: a", 513), request);
    BOOST_TEST((refused.status == Status::Bad));
    BOOST_TEST(refused.http_status == 400U);
    ResponseHead response;
    BOOST_TEST((parse_response_head(head_with("HTTP/1.1 200 OK", 512), {}, "GET", response).status == Status::Done));
    BOOST_TEST((parse_response_head(head_with("HTTP/1.1 200 OK", 513), {}, "GET", response).status == Status::Bad));
  }
  std::string plain = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 52; ++i) plain += "Connection: keep-alive\r\n";
  RequestHead request;
  BOOST_TEST((parse_request(plain + "\r\n", request).status == Status::Bad));
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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
