// SPDX-License-Identifier: Apache-2.0
// One request of the admin API and its one answer, over evhttp. Copies share the exchange: the answer may come later,
// from a callback; after the first, or once the server has gone, answering does nothing. Control loop only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evhttp_request;

namespace limpet::admin {

class AdminExchange {
 public:
  // `server_lives` expires before the server frees its requests.
  AdminExchange(evhttp_request* request, std::weak_ptr<const void> server_lives);

  const std::string& method() const { return method_; }  // "" where unknown
  const std::string& path() const { return path_; }      // as sent
  const std::string& query() const { return query_; }
  std::string body() const;
  bool has_field(const char* name) const;
  // nullopt where there is none, or more than one.
  std::optional<std::string_view> field(const char* name) const;
  // Of the connection.
  int fd() const;

  // Adds a field to the answer. Requires: not answered yet.
  void add_field(const char* name, const std::string& value);
  // Every answer ends the connection: what a client has sent beyond its request is never taken for another one.
  void answer(unsigned status, const char* content_type, const std::string& body);
  void answer_json(unsigned status, const std::string& json) { answer(status, "application/json", json); }
  // {"error": why}
  void refuse(unsigned status, const std::string& why);

  // Gives the request away instead of answering it; nullptr where that is too late.
  evhttp_request* release();

 private:
  struct Shared {
    evhttp_request* request;
    std::weak_ptr<const void> server_lives;
  };
  std::shared_ptr<Shared> shared_;
  std::string method_, path_, query_;
};

}  // namespace limpet::admin
