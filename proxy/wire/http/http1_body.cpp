// SPDX-License-Identifier: Apache-2.0
// Bodies of HTTP/1.1 messages (RFC 9112 §6, §7.1), for http1.h. A chunked body is read by an automaton that takes one
// byte of a size line at a time and content as it comes, so that a line may be cut anywhere and nothing of it is kept;
// only a trailer field is gathered, since it is needed as a whole. Chunks that are plain and there as a whole, as
// events and messages mostly are, are taken in one step. What no more bytes could make good is refused at the byte that
// shows it. tests/wire/http/http1_body_test.cpp and a fuzz target hold it against Boost.Beast's parser, byte for byte.
#include <algorithm>
#include <charconv>
#include <limits>
#include <type_traits>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/control_finder.h"
#include "proxy/wire/http/http1.h"

namespace limpet::wire {

namespace {

constexpr std::uint64_t kMaxChunk = std::numeric_limits<std::int64_t>::max();
constexpr std::uint32_t kMaxSizeLine = 1024;  // bytes, extensions and CRLF included
constexpr std::uint32_t kMaxTrailers = 64 * 1024;
constexpr unsigned kMaxTrailerFields = 64;

// Takes a chunk that is just a size that is not 0, its content and both line ends; its content, or an empty view where
// `input` does not begin with all of one.
std::string_view take_plain_chunk(std::string_view& input) {
  constexpr std::size_t kMostDigits = 8;
  std::size_t size = 0;
  const char* const limit = input.data() + std::min(input.size(), kMostDigits);
  const auto [end, error] = std::from_chars(input.data(), limit, size, 16);
  if (error != std::errc() || size == 0) return {};
  const auto at = static_cast<std::size_t>(end - input.data()) + 2;
  if (input.size() < at + size + 2) return {};
  const char* const after = end + 2 + size;
  if (end[0] != '\r' || end[1] != '\n' || after[0] != '\r' || after[1] != '\n') return {};
  input.remove_prefix(at + size + 2);
  return {end + 2, size};
}

// A comma-separated list of tokens, of which some or all may be missing (RFC 9110 §5.6.1.2).
bool is_token_list(std::string_view text) {
  bool needs_comma = false;
  while (!(text = trimmed(text)).empty()) {
    const std::size_t size = token_size(text);
    if (size == 0 ? text.front() != ',' : needs_comma) return false;
    needs_comma = size > 0;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return true;
}

// Reads a trailer field, without its line end, into `fields`. False where it is none, or may be none in a trailer.
bool read_trailer(std::string_view line, Fields& fields) {
  const std::size_t colon = token_size(line);
  if (colon == 0 || colon == line.size() || line[colon] != ':') return false;
  const auto name = line.substr(0, colon);
  const auto value = trimmed(line.substr(colon + 1));
  switch (field_name(name)) {
  case FieldName::ContentLength:  // RFC 9112 §6.3: the message is framed already
  case FieldName::TransferEncoding:
    return false;
  case FieldName::Connection:  // it is not passed on, but has to be in order, as in a head
  case FieldName::ProxyConnection:
    if (!is_token_list(value)) return false;
    break;
  default:
    break;
  }
  fields.add(name, value);
  return true;
}

}  // namespace

struct BodyDecoder::Trailers {
  Fields fields;
  std::string line;  // of the field that is being taken, what has come so far
};

BodyDecoder::BodyDecoder() = default;
BodyDecoder::~BodyDecoder() = default;
BodyDecoder::BodyDecoder(BodyDecoder&&) noexcept = default;
BodyDecoder& BodyDecoder::operator=(BodyDecoder&&) noexcept = default;

BodyDecoder::BodyDecoder(Framing framing, std::uint64_t length) {
  static_assert(std::is_trivially_copyable_v<State> && sizeof(State) == 16);  // every exchange holds two
  state_.framing = framing;
  if (framing == Framing::Length) state_.left = length;
  const bool is_empty = framing == Framing::None || (framing == Framing::Length && length == 0);
  if (!is_empty) state_.status = Status::NeedMore;
}

Status BodyDecoder::decode(std::string_view input, std::size_t& consumed, std::vector<std::string_view>& pieces) {
  consumed = 0;
  if (state_.status != Status::NeedMore || input.empty()) return state_.status;
  if (state_.framing == Framing::Chunked) {
    auto rest = input;
    state_.status = decode_chunked(rest, pieces);
    consumed = input.size() - rest.size();
    return state_.status;
  }
  if (state_.framing == Framing::Length) {
    input = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(state_.left, input.size())));
    state_.left -= input.size();
    if (state_.left == 0) state_.status = Status::Done;
  }
  consumed = input.size();
  pieces.push_back(input);
  return state_.status;
}

Status BodyDecoder::decode_chunked(std::string_view& input, std::vector<std::string_view>& pieces) {
  while (!input.empty()) {
    if (state_.at == At::Content) {
      take_content(input, pieces);
      continue;
    }
    if (state_.at == At::TrailerLine || (state_.at == At::Trailer && input.front() != '\r')) {
      if (!take_trailer(input)) return Status::Bad;
      continue;
    }
    if (state_.at == At::Size) {
      if (const auto content = take_plain_chunk(input); !content.empty()) {
        pieces.push_back(content);
        continue;
      }
    }
    if (!take_byte(input.front())) return Status::Bad;
    input.remove_prefix(1);
    if (state_.at == At::End) return Status::Done;
  }
  return Status::NeedMore;
}

// Requires: there is some.
void BodyDecoder::take_content(std::string_view& input, std::vector<std::string_view>& pieces) {
  const auto content = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(state_.left, input.size())));
  pieces.push_back(content);
  input.remove_prefix(content.size());
  state_.left -= content.size();
  if (state_.left == 0) state_.at = At::ContentCr;
}

// Takes a byte of a size line, or of the line end after content or trailers. False where it may not stand there.
bool BodyDecoder::take_byte(char c) {
  const bool is_trailer = state_.at == At::Trailer || state_.at == At::LastLf;
  if (++state_.line_size > (is_trailer ? kMaxTrailers : kMaxSizeLine)) return false;
  switch (state_.at) {
  case At::Size:
    state_.at = At::SizeDigits;
    return add_digit(hex_value(c));
  case At::SizeDigits:
    return add_digit(hex_value(c)) || (hex_value(c) < 0 && end_part(c));
  case At::BeforeSemicolon:
    return is_blank(c) || moves_on(c == ';', At::BeforeName);
  case At::BeforeName:
    return is_blank(c) || moves_on(is_token_char(c), At::Name);
  case At::Name:
    return is_token_char(c) || moves_on(c == '=', At::BeforeValue) || moves_on(is_blank(c), At::AfterName) ||
           end_part(c);
  case At::AfterName:
    return is_blank(c) || moves_on(c == '=', At::BeforeValue) || moves_on(c == ';', At::BeforeName);
  case At::BeforeValue:
    return is_blank(c) || moves_on(c == '"', At::Quoted) || moves_on(is_token_char(c), At::Token);
  case At::Token:
    return is_token_char(c) || end_part(c);
  case At::Quoted:
    return moves_on(c == '"', At::AfterQuoted) || moves_on(c == '\\', At::Escaped) || !is_control(c);
  case At::Escaped:
    return moves_on(!is_control(c), At::Quoted);
  case At::AfterQuoted:
    return end_part(c);
  case At::SizeLf:
    state_.line_size = 0;
    return moves_on(c == '\n', state_.left > 0 ? At::Content : At::Trailer);
  case At::ContentCr:
    return moves_on(c == '\r', At::ContentLf);
  case At::ContentLf:
    state_.line_size = 0;
    return moves_on(c == '\n', At::Size);
  case At::Trailer:
    return moves_on(c == '\r', At::LastLf);
  case At::LastLf:
    return moves_on(c == '\n', At::End);
  case At::Content:
  case At::TrailerLine:
  case At::End:
    break;
  }
  return false;
}

bool BodyDecoder::moves_on(bool fits, At at) {
  if (fits) state_.at = at;
  return fits;
}

// `c` follows the size, an extension's name or its value.
bool BodyDecoder::end_part(char c) {
  return moves_on(c == '\r', At::SizeLf) || moves_on(c == ';', At::BeforeName) ||
         moves_on(is_blank(c), At::BeforeSemicolon);
}

// False where the size has no such digit, or is beyond kMaxChunk with it.
bool BodyDecoder::add_digit(int value) {
  const auto digit = static_cast<unsigned>(value);
  if (value < 0 || state_.left > (kMaxChunk - digit) / 16) return false;
  state_.left = state_.left * 16 + digit;
  return true;
}

// Takes a trailer field up to its line end, or as much of it as is there. False where it is none.
bool BodyDecoder::take_trailer(std::string_view& input) {
  const auto end = input.find('\n');
  const bool is_whole = end != std::string_view::npos;
  const auto part = input.substr(0, is_whole ? end + 1 : end);
  if (part.size() > kMaxTrailers - state_.line_size) return false;
  if (!trailers_) trailers_ = std::make_unique<Trailers>();
  auto& line = trailers_->line;
  if (line.ends_with('\r') && part != "\n") return false;
  line += part;
  input.remove_prefix(part.size());
  state_.line_size += static_cast<std::uint32_t>(part.size());
  state_.at = At::TrailerLine;

  auto text = part;  // without what may be the line end
  if (is_whole) text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (ControlFinder(text).next() != std::string_view::npos) return false;
  if (!is_whole) return true;
  if (!line.ends_with("\r\n") || ++state_.trailer_fields > kMaxTrailerFields) return false;
  line.resize(line.size() - 2);
  if (!read_trailer(line, trailers_->fields)) return false;
  line.clear();
  state_.at = At::Trailer;
  return true;
}

bool BodyDecoder::is_whole_chunks(std::string_view input, std::vector<std::string_view>& pieces) const {
  const bool at_chunk =
      state_.framing == Framing::Chunked && state_.status == Status::NeedMore && state_.at == At::Size;
  if (!at_chunk) return false;
  do {
    const auto content = take_plain_chunk(input);
    if (content.empty()) return false;
    pieces.push_back(content);
  } while (!input.empty());
  return true;
}

Status BodyDecoder::end_of_input() {
  if (state_.status == Status::NeedMore) {
    state_.status = state_.framing == Framing::UntilClose ? Status::Done : Status::Bad;
  }
  return state_.status;
}

const Fields& BodyDecoder::trailers() const {
  static const Fields kNone;
  return trailers_ ? trailers_->fields : kNone;
}

}  // namespace limpet::wire
