// SPDX-License-Identifier: Apache-2.0
// See session_list.h. A question is posted to every worker, each answers about its own sessions at one moment of its
// own, and the last answer to arrive calls the asker back. What a session looks like to an operator is described here
// alone.
#include "proxy/server/session_list.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

namespace limpet::server {

using session::CloseReason;
using session::Session;
using session::SessionRef;
using session::Worker;

namespace {

std::string id_text(const SessionRef& ref) {
  return std::to_string(ref.worker) + "." + std::to_string(ref.slot) + "." + std::to_string(ref.generation);
}

SessionInfo describe(Session& session, Time now) {
  auto& record = session.record();
  SessionInfo info;
  info.id = id_text(record.member.ref);
  info.protocol = metrics::name(record.protocol());
  info.pool = record.route ? record.route->pool : "";
  info.backend = record.member.backend != nullptr ? record.member.backend->name : "";
  info.key = session::Affinity::key_of(record.member);
  info.pick_reason = metrics::name(record.pick_reason());
  const std::string ip = record.client.text();
  info.client = (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(record.client_port);
  info.route = record.route ? record.route->host + record.route->path : "";
  info.listener = record.worker.listeners()[record.listener].settings.name;
  info.state = session.state_name();
  info.age_s = in_seconds(now - record.opened_at);
  info.idle_s = in_seconds(now - session.last_activity());
  info.bytes_to_client = record.bytes(metrics::Direction::ToClient);
  info.bytes_to_backend = record.bytes(metrics::Direction::ToBackend);
  info.messages_to_client = record.messages(metrics::Direction::ToClient);
  info.messages_to_backend = record.messages(metrics::Direction::ToBackend);
  return info;
}

bool matches(const SessionInfo& info, const SessionFilter& filter) {
  const auto fits = [](const std::string& wanted, const std::string& is) { return wanted.empty() || wanted == is; };
  return fits(filter.pool, info.pool) && fits(filter.backend, info.backend) && fits(filter.protocol, info.protocol) &&
         fits(filter.key, info.key) && info.age_s * 1000 >= static_cast<double>(filter.min_age.count()) &&
         info.idle_s * 1000 >= static_cast<double>(filter.min_idle.count());
}

}  // namespace

void SessionList::gather(std::function<std::vector<SessionInfo>(Worker&)> collect,
                         std::function<void(std::vector<SessionInfo>)> done) {
  const auto found = std::make_shared<std::vector<std::vector<SessionInfo>>>(workers_.size());
  all_.on_each([found, collect = std::move(collect)](Worker& worker) { (*found)[worker.index()] = collect(worker); },
               [found, done = std::move(done)] {
                 std::vector<SessionInfo> all;
                 for (auto& some : *found) std::ranges::move(some, std::back_inserter(all));
                 done(std::move(all));
               });
}

void SessionList::find(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) {
  gather(
      [filter](Worker& worker) {
        std::vector<SessionInfo> found;
        const Time now = worker.now();
        worker.for_each_session([&](Session& session) {
          if (found.size() >= filter.limit || !session.record().counted()) return;
          SessionInfo info = describe(session, now);
          if (matches(info, filter)) found.push_back(std::move(info));
        });
        return found;
      },
      [filter, done = std::move(done)](std::vector<SessionInfo> all) {
        if (all.size() > filter.limit) all.resize(filter.limit);
        done(std::move(all));
      });
}

void SessionList::close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) {
  gather(
      [filter](Worker& worker) {
        std::vector<SessionInfo> found;
        std::vector<Session*> leaving;
        const Time now = worker.now();
        worker.for_each_session([&](Session& session) {
          if (!session.record().counted()) return;
          SessionInfo info = describe(session, now);
          if (!matches(info, filter)) return;
          found.push_back(std::move(info));
          leaving.push_back(&session);
        });
        for (Session* session : leaving) session->farewell(CloseReason::Drained);
        return found;
      },
      [done = std::move(done)](const std::vector<SessionInfo>& all) { done(all.size()); });
}

}  // namespace limpet::server
