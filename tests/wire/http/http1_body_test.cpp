// SPDX-License-Identifier: Apache-2.0
// Bodies: each is decoded whole, byte by byte, and cut in two at every place, and the outcome must be the same; content
// must be views into the input. What is no chunked body is refused the same way. Every outcome of a chunked body, and
// of each of its beginnings, must be Boost.Beast's (beast_body.h).
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "proxy/wire/http/http1.h"
#include "tests/seed.h"
#include "tests/wire/http/beast_body.h"

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

struct Outcome {
  Status status = Status::NeedMore;
  std::string content;
  std::size_t consumed = 0;
};

// Decodes `parts` one after another, as a session would.
Outcome decode(BodyDecoder& decoder, const std::vector<std::string_view>& parts) {
  Outcome outcome;
  for (const auto part : parts) {
    const std::string input(part);  // a copy, so that a sanitizer sees a read past it
    std::vector<std::string_view> pieces;
    std::size_t consumed = 0;
    outcome.status = decoder.decode(input, consumed, pieces);
    outcome.consumed += consumed;
    for (const auto piece : pieces) {
      BOOST_TEST((piece.data() >= input.data() && piece.data() + piece.size() <= input.data() + input.size()));
      BOOST_TEST(!piece.empty());
      outcome.content += piece;
    }
    if (outcome.status == Status::NeedMore) BOOST_TEST(consumed == input.size());
    if (outcome.status != Status::NeedMore) break;
  }
  return outcome;
}

std::string text_of(const Fields& trailers) {
  std::string text;
  for (std::size_t i = 0; i < trailers.size(); ++i) text += trailers.line(i);
  return text;
}

// What the decoder made of `text` is what Beast makes of it.
void check_with_beast(std::string_view text, const BodyDecoder& decoder, const Outcome& outcome) {
  const naive::BeastOutcome beast = naive::decode_with_beast(text);
  BOOST_TEST(outcome.content == beast.content);
  if (outcome.status == Status::Bad) {
    BOOST_TEST(naive::is_refused_by_beast(text));
    return;
  }
  BOOST_TEST((outcome.status == beast.status));
  BOOST_TEST(outcome.consumed == beast.consumed);
  if (outcome.status == Status::Done) BOOST_TEST(text_of(decoder.trailers()) == text_of(beast.trailers));
}

// The outcome for the whole, which every split shares.
Outcome on_every_split(std::string_view text, Framing framing, std::uint64_t length = 0) {
  BodyDecoder whole(framing, length);
  const auto expected = decode(whole, {text});
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  std::vector<std::vector<std::string_view>> splits{bytes};
  for (std::size_t i = 0; i <= text.size(); ++i) splits.push_back({text.substr(0, i), text.substr(i)});
  for (const auto& split : splits) {
    BodyDecoder decoder(framing, length);
    const auto outcome = decode(decoder, split);
    BOOST_TEST((outcome.status == expected.status));
    BOOST_TEST(outcome.content == expected.content);
    if (expected.status != Status::Bad) BOOST_TEST(outcome.consumed == expected.consumed);
    BOOST_TEST(text_of(decoder.trailers()) == text_of(whole.trailers()));
  }
  if (framing != Framing::Chunked) return expected;
  for (std::size_t i = 1; i <= text.size(); ++i) {
    BOOST_TEST_CONTEXT("the first " << i << " bytes") {
      BodyDecoder decoder(framing, length);
      const auto outcome = decode(decoder, {text.substr(0, i)});
      check_with_beast(text.substr(0, i), decoder, outcome);
    }
  }
  return expected;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http1_body)

BOOST_AUTO_TEST_CASE(chunked_bodies_are_decoded_on_every_split) {
  struct Row {
    std::string_view body, content;
  };
  for (const auto& row :
       {Row{"0\r\n\r\n", ""}, Row{"5\r\nhello\r\n0\r\n\r\n", "hello"}, Row{"000\r\n\r\n", ""},
        Row{"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
        Row{"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
        Row{"0005;x\r\nhello\r\n0;y=z\r\n\r\n", "hello"}, Row{"2;a=\"b;\\\"c\" ; d\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
        Row{"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n"},
        Row{"3\r\na\0b\r\n0\r\nX-Sum: 1\r\nx-other:\r\n\r\n"sv, "a\0b"sv},
        Row{"2 ; a = b ;c= \"\\\"\\\\\t\xff\" \t;\td\r\nhi\r\n0\r\n\r\n", "hi"}, Row{"1;a=\"\"\r\nz\r\n0\r\n\r\n", "z"},
        Row{"00000000000000000000002\r\nhi\r\n0\r\n\r\n", "hi"},
        Row{"0\r\nConnection: close, ,x,\r\nProxy-Connection:\r\nUpgrade: ;\r\nx:\t y \t\r\n\r\n", ""},
        Row{"1;averylongextensionnamethatfitsnosmallbuffer=averylongvaluethatneitherdoes\r\nz\r\n0\r\n\r\n", "z"}}) {
    BOOST_TEST_CONTEXT(row.body) {
      const auto next = std::string(row.body) + "5\r\nGET / HTTP/1.1\r\n";
      const auto outcome = on_every_split(next, Framing::Chunked);
      BOOST_TEST((outcome.status == Status::Done));
      BOOST_TEST(outcome.content == row.content);
      BOOST_TEST(outcome.consumed == row.body.size());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_chunked_body_is_refused_on_every_split) {
  for (const auto body : {"\r\n"sv,
                          "\n"sv,
                          "x\r\n"sv,
                          " 5\r\nhello"sv,
                          "5 \r\nhello"sv,
                          "+5\r\nhello"sv,
                          "-5\r\nhello"sv,
                          "0x5\r\nhello"sv,
                          "5h\r\nhello"sv,
                          "5\nhello\r\n0\r\n\r\n"sv,
                          "5\r\nhello\n0\r\n\r\n"sv,
                          "5\r\nhello0\r\n\r\n"sv,
                          "5\r\nhellox\r\n0"sv,
                          "5\r\nhello\r\r\n0"sv,
                          "5\rhello"sv,
                          "5\r\nhello\r\n\r\n0\r\n\r\n"sv,
                          "0\n\r\n"sv,
                          "0\r\n\n"sv,
                          "0\r\n\rx"sv,
                          "0 \r\n\r\n"sv,
                          "5;\r\nhello"sv,
                          "5;a=\r\nhello"sv,
                          "5;a=\"b\r\nhello"sv,
                          "5;a=\"b\r\nhel\"lo\r\n0\r\n\r\n"sv,
                          "0;a=\"\r\nX: \"\r\n\r\n"sv,
                          "5;a\x01\r\nhello"sv,
                          "5;a=\"\0\"\r\nhello"sv,
                          "8000000000000000\r\n"sv,
                          "ffffffffffffffff\r\n"sv,
                          "10000000000000000\r\n"sv,
                          "100000000000000005\r\nhello\r\n"sv,
                          "5,5\r\nhello"sv,
                          "\"5\"\r\nhello"sv,
                          "5;;a\r\nhello"sv,
                          "5;a;\r\nhello"sv,
                          "5;a \r\nhello"sv,
                          "5;a b\r\nhello"sv,
                          "5;a=b \r\nhello"sv,
                          "5;a=b=c\r\nhello"sv,
                          "5;a= \r\nhello"sv,
                          "5;a=\"b\"c\r\nhello"sv,
                          "5;a=\"b\\\r\nhello"sv,
                          "5;a=\"\\\x01\"\r\nhello"sv,
                          "5;a=\"\\\n\"\r\nhello"sv,
                          "5;=b\r\nhello"sv,
                          "5;a\xff\r\nhello"sv,
                          "5;a\x7f\r\nhello"sv,
                          "5;\"a\"\r\nhello"sv,
                          "5 a\r\nhello"sv,
                          "5\t\r\nhello"sv,
                          "G\r\nhello"sv,
                          "0;\r\n\r\n"sv,
                          "00x\r\n\r\n"sv,
                          "0\r\n\r\r\n"sv,
                          "0\r\nX: y\r\r\n\r\n"sv,
                          "0\r\nX: \x7f\r\n\r\n"sv,
                          "0\r\nX\xff: y\r\n\r\n"sv,
                          "0\r\nConnection: close x\r\n\r\n"sv,
                          "0\r\nConnection: \"x\"\r\n\r\n"sv,
                          "0\r\ncontent-length: 0\r\n\r\n"sv,
                          "\xd9\xa5\r\nhello"sv,
                          "0\r\nX\r\n\r\n"sv,
                          "0\r\nX : y\r\n\r\n"sv,
                          "0\r\n X: y\r\n\r\n"sv,
                          "0\r\nX: y\r\n z\r\n\r\n"sv,
                          "0\r\nX: y\n\r\n"sv,
                          "0\r\nX: \0\r\n\r\n"sv,
                          "0\r\n: y\r\n\r\n"sv,
                          "0\r\nContent-Length: 5\r\n\r\n"sv,
                          "0\r\nTransfer-Encoding: chunked\r\n\r\n"sv}) {
    BOOST_TEST_CONTEXT(body) BOOST_TEST((on_every_split(body, Framing::Chunked).status == Status::Bad));
  }
}

BOOST_AUTO_TEST_CASE(content_before_the_fault_is_still_handed_out) {
  BOOST_TEST(on_every_split("5\r\nhello\r\n!", Framing::Chunked).content == "hello");
  BodyDecoder decoder(Framing::Chunked, 0);
  const auto outcome = decode(decoder, {"5\r\nhello\r\n!\r\n"});
  BOOST_TEST((outcome.status == Status::Bad));
  BOOST_TEST(outcome.content == "hello");
}

BOOST_AUTO_TEST_CASE(what_no_more_bytes_could_make_good_is_refused_at_once) {
  for (const auto body :
       {"\n"sv, "x"sv, "+"sv, "5x"sv, "5\n"sv, "5\rx"sv, "5 a"sv, "5;;"sv, "5;a=;"sv, "5;a\x01"sv, "8000000000000000"sv,
        "1\r\nab"sv, "1\r\na\n"sv, "1\r\na\rx"sv, "0\r\n\rx"sv, "0\r\nX\x01"sv}) {
    BOOST_TEST_CONTEXT(body) BOOST_TEST((on_every_split(body, Framing::Chunked).status == Status::Bad));
  }
}

// Bodies of all that the grammar knows, some of it in the wrong place.
BOOST_AUTO_TEST_CASE(random_chunked_bodies_are_decoded_as_beast_decodes_them) {
  const auto seed = chosen_seed();
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const std::string_view parts[] = {"0",
                                    "1",
                                    "a",
                                    "F",
                                    "10",
                                    "\r\n",
                                    "\r\n",
                                    "\r\n",
                                    "x",
                                    "1\r\nx\r\n",
                                    "2;a\r\nhi\r\n",
                                    "0\r\n",
                                    "\r\n0\r\n\r\n",
                                    ";",
                                    "=",
                                    "\"",
                                    "\\",
                                    " ",
                                    "\t",
                                    "\r",
                                    "\n",
                                    ";a=b",
                                    ";a=\"b\"",
                                    ";a=\"\\\"\"",
                                    "X: y\r\n",
                                    "Connection: a, b\r\n",
                                    "Transfer-Encoding: x\r\n",
                                    ":",
                                    ",",
                                    "\0"sv,
                                    "\x7f",
                                    "\xff",
                                    "-"};
  int done = 0;
  for (int i = 0; i < 10000; ++i) {
    std::string text;
    if (below(2) == 0) text = "1\r\nx\r\n0";
    for (std::size_t n = below(6); n > 0; --n) text += parts[below(std::size(parts))];
    if (below(2) == 0) text += "\r\n\r\n";
    const auto cut = below(text.size() + 1);
    const std::string_view view = text;
    BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed << ", body '" << text << "' cut at " << cut) {
      BodyDecoder decoder(Framing::Chunked, 0);
      const auto outcome = decode(decoder, {view.substr(0, cut), view.substr(cut)});
      if (!text.empty()) check_with_beast(view, decoder, outcome);
      done += outcome.status == Status::Done ? 1 : 0;
    }
  }
  BOOST_TEST(done > 500);
}

BOOST_AUTO_TEST_CASE(bad_is_sticky) {
  BodyDecoder decoder(Framing::Chunked, 0);
  BOOST_TEST((decode(decoder, {"x\r\n"}).status == Status::Bad));
  const auto again = decode(decoder, {"0\r\n\r\n"});
  BOOST_TEST((again.status == Status::Bad));
  BOOST_TEST(again.consumed == 0U);
  BOOST_TEST((decoder.end_of_input() == Status::Bad));
}

BOOST_AUTO_TEST_CASE(trailers_are_collected) {
  BodyDecoder decoder(Framing::Chunked, 0);
  decode(decoder, {"1\r\nx\r\n0\r\nX-Sum: ab", "c \r\nServer-Timing: \xe9\r\n\r", "\n"});
  BOOST_TEST(decoder.done());
  BOOST_REQUIRE(decoder.trailers().size() == 2U);
  BOOST_TEST(decoder.trailers()[0].name == "X-Sum");
  BOOST_TEST(decoder.trailers()[0].value == "abc");
  BOOST_TEST(decoder.trailers().find("server-timing").value_or("none") == "\xe9");
  BOOST_TEST(BodyDecoder(Framing::Length, 1).trailers().empty());
}

BOOST_AUTO_TEST_CASE(extensions_and_trailers_are_bounded) {
  const auto status_of = [](const std::string& body) {
    BodyDecoder whole(Framing::Chunked, 0);
    const auto status = decode(whole, {body}).status;
    BodyDecoder halved(Framing::Chunked, 0);
    const auto half = body.size() / 2;
    BOOST_TEST((decode(halved, {std::string_view(body).substr(0, half), std::string_view(body).substr(half)}).status ==
                status));
    return status;
  };
  const auto extension = [](std::size_t size) { return "1;" + std::string(size, 'x') + "\r\ny\r\n0\r\n\r\n"; };
  BOOST_TEST((status_of(extension(1020)) == Status::Done));
  BOOST_TEST((status_of(extension(1021)) == Status::Bad));
  BOOST_TEST((status_of("1;" + std::string(1100, 'x')) == Status::Bad));  // before its line ends
  BOOST_TEST((status_of(std::string(2000, '0') + "\r\n\r\n") == Status::Bad));

  const auto trailer = [](std::size_t size) { return "0\r\nX: " + std::string(size, 'x') + "\r\n\r\n"; };
  BOOST_TEST((status_of(trailer(64 * 1024 - 7)) == Status::Done));
  BOOST_TEST((status_of(trailer(64 * 1024 - 6)) == Status::Bad));
  BOOST_TEST((status_of("0\r\nX: " + std::string(70 * 1024, 'x')) == Status::Bad));

  std::string many = "0\r\n";
  for (int i = 0; i < 64; ++i) many += "A: b\r\n";
  BOOST_TEST((status_of(many + "\r\n") == Status::Done));
  BOOST_TEST((status_of(many + "A: b\r\n\r\n") == Status::Bad));
}

BOOST_AUTO_TEST_CASE(a_huge_chunk_is_passed_on_as_it_comes) {
  BodyDecoder decoder(Framing::Chunked, 0);
  BOOST_TEST((decode(decoder, {"7fffffffffffffff\r\n"}).status == Status::NeedMore));
  const std::string part(100000, 'x');
  BOOST_TEST(decode(decoder, {part, part}).content.size() == 200000U);
  BOOST_TEST((decoder.end_of_input() == Status::Bad));
}

BOOST_AUTO_TEST_CASE(whole_plain_chunks_are_known_as_such) {
  const auto known = [](const BodyDecoder& decoder, std::string_view input) {
    std::vector<std::string_view> pieces;
    std::string content;
    if (!decoder.is_whole_chunks(input, pieces)) return std::string("-");
    for (const auto piece : pieces) content += std::string(piece) + "|";
    return content;
  };
  BodyDecoder decoder(Framing::Chunked, 0);
  BOOST_TEST(known(decoder, "3\r\nabc\r\n") == "abc|");
  BOOST_TEST(known(decoder, "00003\r\nabc\r\nA\r\n0123456789\r\n") == "abc|0123456789|");
  for (const auto other :
       {"", "3", "3\r\nab", "3\r\nabc", "3\r\nabc\r", "3\r\nabc\r\n1", "3;x\r\nabc\r\n", "3 \r\nabc\r\n", "3\nabc\r\n",
        "3\r\nabcd\r\n", "0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n", "0x3\r\nabc\r\n",
        "000000003\r\nabc\r\n", "ffffffff\r\nabc\r\n", "abc\r\n"}) {
    BOOST_TEST(known(decoder, other) == "-", other);
  }
  decode(decoder, {"5\r\nab"});
  BOOST_TEST(known(decoder, "3\r\nabc\r\n") == "-");
  decode(decoder, {"cde\r\n"});
  BOOST_TEST(known(decoder, "3\r\nabc\r\n") == "abc|");
  decode(decoder, {"3"});
  BOOST_TEST(known(decoder, "3\r\nabc\r\n") == "-");
  decode(decoder, {"\r\nabc\r\n0\r\n\r\n"});
  BOOST_TEST(known(decoder, "3\r\nabc\r\n") == "-");
  BOOST_TEST(known(BodyDecoder(Framing::UntilClose, 0), "3\r\nabc\r\n") == "-");
}

BOOST_AUTO_TEST_CASE(a_body_of_known_length_leaves_the_next_message) {
  const auto outcome = on_every_split("helloGET / HTTP/1.1\r\n", Framing::Length, 5);
  BOOST_TEST((outcome.status == Status::Done));
  BOOST_TEST(outcome.content == "hello");
  BOOST_TEST(outcome.consumed == 5U);
}

BOOST_AUTO_TEST_CASE(an_empty_body_is_done_at_once) {
  BodyDecoder none;
  BOOST_TEST(none.done());
  BOOST_TEST((none.framing() == Framing::None));
  BOOST_TEST(decode(none, {"GET"}).consumed == 0U);
  BodyDecoder zero(Framing::Length, 0);
  BOOST_TEST(zero.done());
  BOOST_TEST(decode(zero, {"GET"}).consumed == 0U);
  BOOST_TEST((zero.end_of_input() == Status::Done));
}

BOOST_AUTO_TEST_CASE(only_a_body_until_close_may_end_with_the_connection) {
  BodyDecoder until_close(Framing::UntilClose, 0);
  BOOST_TEST(decode(until_close, {"a", "", "bc"}).content == "abc");
  BOOST_TEST(!until_close.done());
  BOOST_TEST((until_close.end_of_input() == Status::Done));
  BOOST_TEST(until_close.done());

  BodyDecoder length(Framing::Length, 3);
  decode(length, {"ab"});
  BOOST_TEST((length.end_of_input() == Status::Bad));
  BOOST_TEST(!length.done());

  BodyDecoder chunked(Framing::Chunked, 0);
  decode(chunked, {"2\r\nab\r\n0\r\n"});
  BOOST_TEST((chunked.end_of_input() == Status::Bad));
}

BOOST_AUTO_TEST_CASE(a_decoder_can_be_moved_in_mid_body) {
  BodyDecoder first(Framing::Chunked, 0);
  decode(first, {"5\r\nhe"});
  BodyDecoder second = std::move(first);
  first = BodyDecoder(Framing::Length, 1);
  const auto outcome = decode(second, {"llo\r\n0\r", "\n\r\n"});
  BOOST_TEST((outcome.status == Status::Done));
  BOOST_TEST(outcome.content == "llo");
  BOOST_TEST(decode(first, {"x"}).content == "x");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
