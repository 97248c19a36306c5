// SPDX-License-Identifier: Apache-2.0
// What no table can know alone: names and addresses that occur twice, references to what does not exist, tables that
// are missing. `Draft` says what was read, `Node` where it stands; their elements are in the same order.
#include <algorithm>
#include <map>

#include "proxy/config/tables.h"

namespace limpet::config {

namespace {

constexpr Place kStart = {1, 1};

// Where a problem about `key` of `table` is shown: at its value, else at the table.
Place place_of(const Node& table, std::string_view key) {
  const Node* value = table.find(key);
  return value ? value->place : table.place;
}

const std::vector<Node>& elements(const Node& table, std::string_view name) {
  static const std::vector<Node> kNone;
  const Node* list = table.find(name);
  return list ? list->items : kNone;
}

// No [[name]] at all; one that is something else is reported where it is read.
bool is_missing(const Node& table, std::string_view name) {
  const Node* list = table.find(name);
  return !list || (list->kind == Node::Kind::Array && list->items.empty());
}

std::string quoted(const std::string& text) {
  return "'" + text + "'";
}

// Remembers where each thing stood first.
class Seen {
 public:
  // "…, first in line 3" once `what` comes again.
  void add(Reader& reader, const std::string& what, Place place, const std::string& complaint) {
    const auto [first, is_new] = first_.emplace(what, place);
    if (is_new) return;
    const unsigned line = first->second.line;
    reader.problem(place, complaint + (line > 0 ? ", first in line " + std::to_string(line) : ""));
  }

 private:
  std::map<std::string, Place> first_;
};

// As they are written, bad ones included: a reference to one of those is no second mistake.
std::vector<std::string> names_of(const std::vector<Node>& tables) {
  std::vector<std::string> names;
  for (const Node& table : tables) {
    const Node* name = table.find("name");
    if (name && name->kind == Node::Kind::String) names.push_back(name->text);
  }
  return names;
}

// A reference to the name of a pool or listener; "" refers to nothing.
void check_reference(Reader& reader, const Node& table, const std::string& kind, const std::string& name,
                     const std::vector<std::string>& known) {
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string near = nearest(name, known);
  std::string what = "unknown " + kind + " " + quoted(name);
  if (!near.empty()) {
    what += ", did you mean " + quoted(near) + "?";
  } else {
    what += ", expected the name of a [[" + kind + "]]";
  }
  reader.problem(place_of(table, kind), what);
}

void check_listeners(Reader& reader, const Node& root, const Draft& draft) {
  const std::vector<std::string> pools = names_of(elements(root, "pool"));
  Seen names;
  for (std::size_t i = 0; i < draft.listeners.size(); ++i) {
    const auto& listener = draft.listeners[i];
    const Node& node = elements(root, "listener")[i];
    if (!listener.name.empty()) {
      names.add(reader, listener.name, place_of(node, "name"), "duplicate listener " + quoted(listener.name));
    }
    check_reference(reader, node, "pool", listener.pool, pools);
  }
}

// Two sockets on one address: with SO_REUSEPORT the kernel would not mind.
void check_binds(Reader& reader, const Node& root, const Draft& draft) {
  Seen binds;
  const auto add = [&](const net::Address& address, Place place) {
    if (!address.is_unix() && address.port() == 0) return;
    binds.add(reader, address.text(), place, "duplicate address " + quoted(address.text()));
  };
  if (const Node* admin = root.find("admin")) {
    const auto address = net::Address::parse(draft.admin.address);
    if (address.ok()) add(address.value(), place_of(*admin, "address"));
    const auto socket = net::Address::parse("unix:" + draft.admin.socket);
    if (socket.ok()) add(socket.value(), place_of(*admin, "socket"));
  }
  for (std::size_t i = 0; i < draft.listeners.size(); ++i) {
    const auto& addresses = draft.listeners[i].addresses;
    const Node* node = elements(root, "listener")[i].find("address");
    if (!node) continue;
    const bool is_list = node->kind == Node::Kind::Array;
    if (addresses.size() != (is_list ? node->items.size() : 1)) continue;  // a bad one among them is reported already
    for (std::size_t k = 0; k < addresses.size(); ++k) add(addresses[k], is_list ? node->items[k].place : node->place);
  }
}

void check_routes(Reader& reader, const Node& root, const Draft& draft) {
  const std::vector<std::string> pools = names_of(elements(root, "pool"));
  const std::vector<std::string> listeners = names_of(elements(root, "listener"));
  Seen seen;
  for (std::size_t i = 0; i < draft.routes.size(); ++i) {
    const auto& route = draft.routes[i];
    const Node& node = elements(root, "route")[i];
    check_reference(reader, node, "pool", route.pool, pools);
    check_reference(reader, node, "listener", route.listener, listeners);
    const Node* pool = node.find("pool");
    if (pool && pool->kind == Node::Kind::String && pool->text.empty()) {
      reader.problem(pool->place, "'pool': expected the name of a [[pool]], found \"\"");
    }
    std::string what = "duplicate route: host " + quoted(route.host) + ", path " + quoted(route.path);
    if (!route.listener.empty()) what += ", listener " + quoted(route.listener);
    seen.add(reader, route.host + '\n' + route.path + '\n' + route.listener, node.place, what);
  }
}

void check_pools(Reader& reader, const Node& root, const Draft& draft) {
  Seen pools;
  for (std::size_t i = 0; i < draft.pools.size(); ++i) {
    const auto& pool = draft.pools[i];
    const Node& node = elements(root, "pool")[i];
    if (!pool.name.empty()) pools.add(reader, pool.name, place_of(node, "name"), "duplicate pool " + quoted(pool.name));
    if (node.kind == Node::Kind::Table && is_missing(node, "backend")) {
      const std::string which = pool.name.empty() ? "this pool" : "pool " + quoted(pool.name);
      reader.problem(node.place, which + " has no backend, expected at least one [[pool.backend]]");
    }
    Seen names;
    for (std::size_t k = 0; k < pool.backends.size(); ++k) {
      const std::string& name = pool.backends[k].name;
      if (name.empty()) continue;
      names.add(reader, name, place_of(elements(node, "backend")[k], "name"),
                "duplicate backend " + quoted(name) + " in pool " + quoted(pool.name));
    }
  }
}

void check_admin(Reader& reader, const Node& root, const Draft& draft) {
  const Node* admin = root.find("admin");
  if (!admin || draft.admin.address.empty()) return;
  const Node* token_file = admin->find("token_file");
  const bool has_token = token_file && !(token_file->kind == Node::Kind::String && token_file->text.empty());
  const auto address = net::Address::parse(draft.admin.address);
  if (has_token || !address.ok() || address.value().is_loopback()) return;
  reader.problem(place_of(*admin, "address"),
                 "admin.address " + quoted(draft.admin.address) + " is not loopback, expected a token_file with it");
}

}  // namespace

void check_whole_configuration(Reader& reader, const Node& root, const Draft& draft) {
  if (is_missing(root, "listener")) reader.problem(kStart, "no listener, expected at least one [[listener]]");
  if (is_missing(root, "pool")) reader.problem(kStart, "no pool, expected at least one [[pool]]");
  check_admin(reader, root, draft);
  check_listeners(reader, root, draft);
  check_binds(reader, root, draft);
  check_routes(reader, root, draft);
  check_pools(reader, root, draft);
}

}  // namespace limpet::config
