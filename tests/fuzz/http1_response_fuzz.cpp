// SPDX-License-Identifier: Apache-2.0
// Any bytes as a response head: what comes out keeps its promises, the verdict on a beginning (cut at a place that the
// first two bytes choose) agrees with the one on the whole, and what was taken as a plain head is what Boost.Beast
// reads. The third byte chooses the request's method.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/wire/http/http1.h"
#include "tests/wire/http/not_plain.h"

namespace {

using namespace limpet::wire;

void require(bool claim) {
  if (!claim) std::abort();
}

void check_promises(const ResponseHead& head, const HeadResult& result, std::string_view input,
                    std::string_view method) {
  require(result.consumed <= input.size());
  require(input.substr(0, result.consumed).ends_with("\r\n\r\n"));
  require(head.status >= 100 && head.status <= 599);
  require(head.reason.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  const auto lengths = head.fields.count(limpet::wire::FieldName::ContentLength);
  const auto codings = head.fields.count(limpet::wire::FieldName::TransferEncoding);
  require(lengths + codings <= 1);
  require(head.http11 || codings == 0);
  const bool has_no_body = method == "HEAD" || head.status / 100 == 1 || head.status == 204 || head.status == 304;
  const auto framing = has_no_body    ? Framing::None
                       : codings == 1 ? Framing::Chunked
                       : lengths == 1 ? Framing::Length
                                      : Framing::UntilClose;
  require(head.framing == framing);
  require(head.length <= INT64_MAX && (framing == Framing::Length || head.length == 0));
  require(!head.keep_alive || framing != Framing::UntilClose);
}

void check_beast_agrees(const ResponseHead& head, std::string_view text, std::string_view method) {
  ResponseHead other;
  const auto longer = not_plain(text);
  const auto result = parse_response_head(longer, {1 << 20, 1000}, method, other);
  require(result.status == Status::Done && result.consumed == longer.size());
  require(says_the_same(head, other));
}

// Nor is anything refused that they would take.
void check_beast_refuses(std::string_view input, const HeadLimits& limits, std::string_view method) {
  const auto end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  ResponseHead other;
  const auto longer = not_plain(input.substr(0, end + 4));
  require(parse_response_head(longer, limits, method, other).status == Status::Bad);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view method = data[2] % 2 == 0 ? "GET" : "HEAD";
  const std::string input(reinterpret_cast<const char*>(data) + 3, size - 3);
  const HeadLimits limits{4096, 32};
  ResponseHead head;
  const auto whole = parse_response_head(input, limits, method, head);
  if (whole.status == Status::Done) {
    check_promises(head, whole, input, method);
    check_beast_agrees(head, std::string_view(input).substr(0, whole.consumed), method);
  }
  if (whole.status == Status::Bad) {
    require(whole.http_status == 502);
    check_beast_refuses(input, limits, method);
  }

  const std::size_t cut = (data[0] | data[1] << 8) % (input.size() + 1);
  const std::string beginning = input.substr(0, cut);
  ResponseHead part_head;
  const auto part = parse_response_head(beginning, limits, method, part_head);
  if (whole.status == Status::NeedMore) require(part.status == Status::NeedMore);
  if (whole.status == Status::Done) require(part.status == (cut < whole.consumed ? Status::NeedMore : Status::Done));
  if (part.status == Status::Bad) require(whole.status == Status::Bad && part.http_status == 502);
  if (part.status == Status::Done) {
    require(whole.status == Status::Done && part.consumed == whole.consumed && part_head.status == head.status &&
            part_head.framing == head.framing);
  }
  return 0;
}
