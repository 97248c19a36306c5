// SPDX-License-Identifier: Apache-2.0
// What somebody between the actors does to their bytes, or a backend that is not what it should be, is noticed, by the
// check that has the right name.
#include <boost/test/unit_test.hpp>
#include <memory>
#include <typeinfo>

#include "tests/sim/actors/event_source.h"
#include "tests/sim/actors/http_client.h"
#include "tests/sim/actors/model_client.h"
#include "tests/sim/actors/socket_app.h"
#include "tests/sim/actors/socket_io.h"
#include "tests/sim/pipe_world.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSeeds = 5;

// Does something to bytes, once; answers whether these were such that it could.
using Plant = std::function<bool(std::string& bytes, End& to)>;

template <class Kind>
void is_noticed_in(std::uint64_t seed, const std::string& check, const Plant& toward_client,
                   const Plant& toward_backend = nullptr) {
  PipeWorld world(seed);
  world.add<Kind>();
  world.add<Kind>();
  bool done = false;
  const auto once = [&done, &world, from = world.nature.now() + 10s](const Plant& plant) {
    return [&, plant, from](std::string& bytes, End& to) {
      if (plant && !done && world.nature.now() > from) done = plant(bytes, to);
    };
  };
  world.nature.tamper = once(toward_client);
  world.nature.tamper_requests = once(toward_backend);
  world.nature.run_for(60s);
  const std::string where = typeid(Kind).name() + (" seed " + std::to_string(seed));
  BOOST_TEST(done, where);
  BOOST_TEST(world.nature.failed_by(check), where << ": " << world.nature.reasons);
}

template <class Kind>
void is_noticed(const std::string& check, const Plant& toward_client, const Plant& toward_backend = nullptr) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) is_noticed_in<Kind>(seed, check, toward_client, toward_backend);
}

// Behind "]" a message's own letters begin.
bool flip(std::string& bytes, End&) {
  const auto at = bytes.find(']');
  if (at == std::string::npos || at + 2 >= bytes.size() || bytes.find('[') > at) return false;
  bytes[at + 1] ^= 1;
  return true;
}

bool flip_last(std::string& bytes, End&) {
  if (bytes.size() < 30) return false;
  bytes.back() ^= 1;
  return true;
}

bool holds_message(const std::string& bytes) {
  return !bytes.starts_with("HTTP/") && bytes.find('[') != std::string::npos && bytes.find('.') != std::string::npos;
}

bool drop(std::string& bytes, End&) {
  if (!holds_message(bytes)) return false;
  bytes.clear();
  return true;
}

bool twice(std::string& bytes, End&) {
  if (!holds_message(bytes)) return false;
  bytes += bytes;
  return true;
}

bool cut(std::string& bytes, End& to) {
  if (bytes.starts_with("HTTP/") || bytes.find('[') == std::string::npos) return false;
  bytes.clear();
  static_cast<PipeEnd&>(to).lose();
  return true;
}

Plant instead(const std::string& what, const std::string& with) {
  return [=](std::string& bytes, End&) {
    const auto at = bytes.find(what);
    if (at == std::string::npos) return false;
    bytes.replace(at, what.size(), with);
    return true;
  };
}

// In a chunked body each chunk is a write of the backend's.
Plant before_chunk(const std::string& what) {
  return [=](std::string& bytes, End&) {
    if (!holds_message(bytes)) return false;
    bytes.insert(0, what);
    return true;
  };
}

// One client's bytes also reach another that it can tell by its connection.
Plant crossed() {
  auto earlier = std::make_shared<std::pair<std::string, std::string>>();  // whose, and what
  return [earlier](std::string& bytes, End& to) {
    if (!holds_message(bytes)) return false;
    const std::string whose = to.actor().name();
    if (earlier->second.empty() || earlier->first == whose) {
      *earlier = {whose, bytes};
      return false;
    }
    bytes = earlier->second;
    return true;
  };
}

template <class Kind>
std::string complaint_with_another_ledger() {
  PipeWorld world(1);
  Commons other;
  Backend elsewhere(world.nature, other, "b2", {});
  world.nature.backends = {&elsewhere};
  const Kind& client = world.add<Kind>();
  world.nature.run_for(300s);
  return client.complaint() + world.nature.reasons;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_flipped_byte_is_foreign) {
  is_noticed<EventSource>("foreign_byte", flip);
  is_noticed<ModelClient>("foreign_byte", flip);
  is_noticed<SocketApp>("foreign_byte", flip);
  is_noticed<SocketIo>("foreign_byte", flip);
  is_noticed<HttpClient>("foreign_byte", flip);
}

BOOST_AUTO_TEST_CASE(a_flipped_byte_is_foreign_to_backends) {
  is_noticed<SocketApp>("foreign_byte", nullptr, flip_last);
  is_noticed<ModelClient>("foreign_byte", nullptr, flip);
  is_noticed<HttpClient>("foreign_byte", nullptr, flip);
}

BOOST_AUTO_TEST_CASE(a_message_of_another_client_is_foreign) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    is_noticed_in<EventSource>(seed, "foreign_byte", crossed());
    is_noticed_in<SocketApp>(seed, "foreign_byte", crossed());
  }
  is_noticed<ModelClient>("foreign_byte", instead("[c0/", "[c1/"));
  is_noticed<HttpClient>("foreign_byte", instead("x-sim-client: c0", "x-sim-client: c1"));
}

BOOST_AUTO_TEST_CASE(an_answer_to_another_request_is_noticed) {
  is_noticed<HttpClient>("wrong_answer", instead("x-sim-turn: 0.", "x-sim-turn: 0.1"));
}

BOOST_AUTO_TEST_CASE(a_lost_message_is_noticed) {
  is_noticed<EventSource>("message_lost", drop);
  is_noticed<ModelClient>("message_lost", drop);
}

BOOST_AUTO_TEST_CASE(a_doubled_message_is_noticed) {
  is_noticed<EventSource>("message_doubled", twice);
  is_noticed<ModelClient>("message_doubled", twice);
}

BOOST_AUTO_TEST_CASE(a_cut_that_nobody_has_reason_for_is_noticed) {
  is_noticed<ModelClient>("unexcused_cut", cut);
  is_noticed<SocketApp>("cut_without_farewell", cut);
  is_noticed<SocketIo>("cut_without_farewell", cut);
  is_noticed<HttpClient>("unexcused_cut", cut);
}

BOOST_AUTO_TEST_CASE(half_an_answer_that_looks_whole_is_noticed) {
  is_noticed<ModelClient>("half_answer_whole", before_chunk("0\r\n\r\n"));
  is_noticed<HttpClient>("bad_status_line", instead("HTTP/1.1 200", "HTTP/1.1 2OO"));
}

BOOST_AUTO_TEST_CASE(an_end_inside_an_event_is_noticed) {
  is_noticed<EventSource>("end_inside_event", before_chunk("7\r\ndata: x\r\n0\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(injections_that_only_browsers_bear_are_noticed_in_the_answer_to_a_post) {
  is_noticed<ModelClient>("retry_in_answer", [](std::string& bytes, End&) {
    if (bytes.find("data: ") == std::string::npos) return false;
    bytes.insert(0, "b\r\nretry: 100\n\r\n");
    return true;
  });
  is_noticed<ModelClient>("blank_event", [](std::string& bytes, End&) {
    if (bytes.find("data: ") == std::string::npos) return false;
    bytes.insert(0, "3\r\n:\n\n\r\n");
    return true;
  });
}

BOOST_AUTO_TEST_CASE(forged_and_torn_frames_are_noticed) {
  is_noticed<SocketApp>("stray_pong", [](std::string& bytes, End&) {
    bytes.insert(0, unmasked({true, kPong, "whose?"}));
    return true;
  });
  is_noticed<SocketApp>("frame_after_close", [](std::string& bytes, End&) {
    bytes.insert(0, unmasked({true, kClose, close_payload(1012)}));
    return true;
  });
  is_noticed<SocketApp>("request_wrong_mask", nullptr, [](std::string& bytes, End&) {
    bytes.insert(0, unmasked({true, kClose, close_payload(1001)}));
    return true;
  });
}

BOOST_AUTO_TEST_CASE(an_event_source_that_gets_no_stream_fails_for_good) {
  PipeWorld world(1);
  const EventSource& client = world.add<EventSource>();
  world.nature.tamper = [](std::string& bytes, End& to) { instead("HTTP/1.1 200", "HTTP/1.1 503")(bytes, to); };
  world.nature.run_for(60s);
  BOOST_TEST(client.complaint().starts_with("failed for good: 503"));
}

BOOST_AUTO_TEST_CASE(what_was_acknowledged_and_never_arrived_is_complained_of) {
  BOOST_TEST(complaint_with_another_ledger<SocketIo>().find("acknowledged and lost") != std::string::npos);
  BOOST_TEST(complaint_with_another_ledger<HttpClient>().find("acknowledged_and_lost") != std::string::npos);
  BOOST_TEST(complaint_with_another_ledger<SocketApp>().find("lost before a clean close") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_session_at_the_wrong_backend_is_noticed) {
  PipeWorld world(1);
  Backend other(world.nature, world.commons, "b2", {});
  world.nature.backends.push_back(&other);
  world.add<SocketIo>();
  world.nature.run_for(60s);
  BOOST_TEST(world.nature.failed_by("wrong_backend"));
}

BOOST_AUTO_TEST_CASE(lies_and_surplus_reach_the_client_where_no_proxy_stops_them) {
  Character liar;
  liar.lies = 0.2;
  PipeWorld lying(1, liar);
  lying.add<HttpClient>();
  lying.nature.run_for(60s);
  BOOST_TEST(lying.nature.failed_by("bad_status_line"));
  Character talker;
  talker.surplus = 0.2;
  PipeWorld talking(1, talker);
  talking.add<HttpClient>();
  talking.nature.run_for(60s);
  BOOST_TEST(talking.nature.failed_by("unasked_answer"));
}

}  // namespace limpet::sim
