// SPDX-License-Identifier: Apache-2.0
// See client.h.
#include "tests/sim/actors/client.h"

namespace limpet::sim {
namespace {

constexpr Duration kAftermath = std::chrono::seconds(20);  // for which a trouble is felt: time-outs, back-offs

}  // namespace

HttpLine* Client::line_of(const End& end) const {
  const auto found = lines_.find(end.id());
  return found == lines_.end() ? nullptr : found->second;
}

void Client::dial(HttpLine& line) {
  End& end = nature_.connect(*this);
  line.end_ = &end;
  line.id_ = end.id();
  lines_[end.id()] = &line;
}

void Client::on_open(End& end) {
  HttpLine* line = line_of(end);
  if (line == nullptr) return;
  if (!healed_ && chance(random(), manner_.slow)) {
    nature_.count("slow_client");
    slow_since_ = now();
    line->slow_ = true;
    end.reads_at(manner_.slow_rate);
  }
  if (!healed_ && chance(random(), manner_.leaves)) {
    line->leaving_.set(between(random(), Duration(0), manner_.stays), [this, line] {
      if (healed_) return;
      nature_.count("client_left");
      line->leave(chance(random(), 0.5));
      on_left(*line);
    });
  }
  line->opened();
}

void Client::on_refused(End& end) {
  if (HttpLine* line = line_of(end)) line->lost(Loss::Refused, false);
}

void Client::on_bytes(End& end, std::string_view bytes) {
  if (HttpLine* line = line_of(end)) line->heard(bytes);
}

void Client::on_fin(End& end) {
  if (HttpLine* line = line_of(end)) line->lost(Loss::Fin, true);
}

void Client::on_closed(End& end, bool by_reset) {
  if (HttpLine* line = line_of(end)) line->lost(by_reset ? Loss::Reset : Loss::Fin, false);
}

void Client::heal() {
  healed_ = true;
  for (const auto& [id, line] : lines_) {
    line->leaving_.stop();
    line->end_->reads_at(kAtOnce);
  }
}

Ask Client::ask(std::string method, std::string target, const Tag& turn) const {
  Ask ask;
  ask.method = std::move(method);
  ask.target = std::move(target);
  ask.turn = turn_text(turn);
  ask.fields = {{"Host", manner_.host}, {kClientField, name_}, {kTurnField, ask.turn}};
  if (!manner_.key.empty()) {
    ask.fields.emplace_back(kKeyField, manner_.key);
    ask.fields.emplace_back("Cookie", "sim=" + manner_.key);
  }
  return ask;
}

bool Client::wronged_since(Time from) const {
  return commons_.troubles.since(name_, from - kAftermath);
}

void Client::blame(std::string_view check, std::string_view why, Time from) {
  if (wronged_since(from)) return nature_.count("excused_" + std::string(check));
  nature_.fail(check, name_ + ": " + std::string(why));
}

void Client::complain(const std::string& what) {
  nature_.note(*this, "complains: " + what);
  if (complaint_.empty()) complaint_ = what;
}

bool Client::is_mine(std::string_view bytes, const Tag& expected, Time from) {
  const std::string said = std::string(bytes.substr(0, 80)) + " for " + turn_text(expected);
  switch (hear(bytes, expected)) {
  case Heard::Whole:
    return true;
  case Heard::Part:
    blame("torn_message", said, from);
    return false;
  case Heard::Another: {
    const auto tag = read_tag(bytes);
    const bool earlier = std::pair(tag->conversation, tag->number) < std::pair(expected.conversation, expected.number);
    nature_.fail(earlier ? "message_doubled" : "message_lost", name_ + ": " + said);
    return false;
  }
  case Heard::Foreign:
    break;
  }
  nature_.fail("foreign_byte", name_ + ": " + said);
  return false;
}

}  // namespace limpet::sim
