// SPDX-License-Identifier: Apache-2.0
// Any bytes as a request head: what comes out keeps its promises, the verdict on a beginning (cut at a place that the
// first two bytes choose) agrees with the one on the whole, a head that is written anew reads the same again, and what
// was taken as a plain head is what Boost.Beast reads.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "proxy/wire/http/http1.h"
#include "proxy/wire/http/http1_writer.h"
#include "proxy/wire/uri.h"
#include "tests/wire/http/not_plain.h"

namespace {

using namespace limpet::wire;

void require(bool claim) {
  if (!claim) std::abort();
}

void check_promises(const RequestHead& head, const HeadResult& result, std::string_view input) {
  require(result.consumed <= input.size());
  require(input.substr(0, result.consumed).ends_with("\r\n\r\n"));
  require(head.target.starts_with('/') || (head.target == "*" && head.method == "OPTIONS"));
  require(head.method != "CONNECT");
  for (const char c : head.target) require(c > ' ' && c < '\x7f' && c != '#');
  require(head.authority.empty() ? !head.http11 : is_valid_authority(head.authority));
  require(head.fields.count(limpet::wire::FieldName::Host) <= 1);
  const auto lengths = head.fields.count(limpet::wire::FieldName::ContentLength);
  const auto codings = head.fields.count(limpet::wire::FieldName::TransferEncoding);
  require(lengths + codings <= 1);
  require((head.framing == Framing::Length) == (lengths == 1));
  require((head.framing == Framing::Chunked) == (codings == 1));
  require(head.framing != Framing::UntilClose);
  require(head.length <= INT64_MAX);
  for (std::size_t i = 0; i < head.fields.size(); ++i) {
    require(!head.fields[i].name.empty());
    require(head.fields[i].value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  }
}

void check_rewritten(const RequestHead& head) {
  std::string text;
  append_request_start(text, head.method, head.target, head.authority.empty() ? "a" : head.authority);
  for (std::size_t i = 0; i < head.fields.size(); ++i) {
    if (head.fields.known(i) == limpet::wire::FieldName::Host) continue;
    append_field(text, head.fields[i].name, head.fields[i].value);
  }
  append_end(text);
  RequestHead again;
  const auto result = parse_request_head(text, {1 << 20, 1000}, again);
  require(result.status == Status::Done && result.consumed == text.size());
  require(again.method == head.method && again.target == head.target);
  require(again.framing == head.framing && again.length == head.length);
}

void check_beast_agrees(const RequestHead& head, std::string_view text) {
  RequestHead other;
  const auto longer = not_plain(text);
  const auto result = parse_request_head(longer, {1 << 20, 1000}, other);
  require(result.status == Status::Done && result.consumed == longer.size());
  require(says_the_same(head, other));
}

// Nor is anything refused that they would take.
void check_beast_refuses(std::string_view input, const HeadLimits& limits) {
  const auto end = input.find("\r\n\r\n");
  if (end == std::string_view::npos) return;
  RequestHead other;
  const auto longer = not_plain(input.substr(0, end + 4));
  require(parse_request_head(longer, limits, other).status == Status::Bad);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const HeadLimits limits{4096, 32};
  RequestHead head;
  const auto whole = parse_request_head(input, limits, head);
  if (whole.status == Status::Done) {
    check_promises(head, whole, input);
    check_rewritten(head);
    check_beast_agrees(head, std::string_view(input).substr(0, whole.consumed));
  }
  if (whole.status == Status::Bad) check_beast_refuses(input, limits);

  const std::size_t cut = (data[0] | data[1] << 8) % (input.size() + 1);
  const std::string beginning = input.substr(0, cut);
  RequestHead part_head;
  const auto part = parse_request_head(beginning, limits, part_head);
  if (whole.status == Status::NeedMore) require(part.status == Status::NeedMore);
  if (whole.status == Status::Done) require(part.status == (cut < whole.consumed ? Status::NeedMore : Status::Done));
  if (part.status == Status::Bad) require(whole.status == Status::Bad && part.http_status == whole.http_status);
  if (part.status == Status::Done) {
    require(whole.status == Status::Done && part.consumed == whole.consumed && part_head.target == head.target);
  }
  return 0;
}
