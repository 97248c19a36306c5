// SPDX-License-Identifier: Apache-2.0
// A configuration from end to end: text to Nodes (toml.cpp), Nodes to a Draft (tables.cpp), the checks
// across it (checks.cpp), and Settings where nothing was wrong. Command-line flags become Nodes and go the same
// way.
#include "proxy/config/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "proxy/config/file.h"
#include "proxy/config/tables.h"

namespace limpet::config {

namespace {

constexpr std::size_t kMaxFile = 16 * 1024 * 1024;
constexpr const char* kFlags = "command line";

session::Settings to_settings(Draft draft) {
  session::Settings settings;
  settings.proxy = std::move(draft.proxy);
  settings.admin = std::move(draft.admin);
  settings.log = std::move(draft.log);
  settings.listeners = std::move(draft.listeners);
  for (auto& route : draft.routes) {
    settings.routes.push_back(std::make_shared<const session::RouteSettings>(std::move(route)));
  }
  for (auto& pool : draft.pools) {
    settings.pools.push_back(std::make_shared<const session::PoolSettings>(std::move(pool)));
  }
  return settings;
}

ConfigResult read_document(const Node& root, Reader reader) {
  Draft draft;
  root_table().read(reader, root, draft);
  check_whole_configuration(reader, root, draft);
  ConfigResult result;
  result.problems = reader.take_problems();
  if (result.problems.empty()) result.settings = to_settings(std::move(draft));
  return result;
}

ConfigResult failure(const std::string& file, const std::string& what, bool unreadable) {
  ConfigResult result;
  result.problems.push_back(Problem{file, 0, 0, what, ""});
  result.unreadable = unreadable;
  return result;
}

Node text_node(const std::string& text) {
  Node node;
  node.kind = Node::Kind::String;
  node.text = text;
  return node;
}

Node list_node(std::vector<Node> items) {
  Node node;
  node.kind = Node::Kind::Array;
  node.items = std::move(items);
  return node;
}

Node table_node(std::vector<Member> members) {
  Node node;
  node.members = std::move(members);
  return node;
}

// Flags may be repeated, and each may be a list with commas.
std::vector<Node> split_flags(const std::vector<std::string>& flags) {
  std::vector<Node> items;
  for (const std::string& flag : flags) {
    std::size_t begin = 0;
    while (begin <= flag.size()) {
      const std::size_t end = std::min(flag.find(',', begin), flag.size());
      if (end > begin) items.push_back(text_node(flag.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  return items;
}

}  // namespace

ConfigResult load_config(const std::string& path) {
  const File file = open_to_read(path);
  if (!file) return failure(path, std::string("cannot be read: ") + std::strerror(errno), true);
  std::string text;
  char chunk[65536];
  while (const std::size_t size = std::fread(chunk, 1, sizeof chunk, file.get())) {
    text.append(chunk, size);
    if (text.size() > kMaxFile) return failure(path, "cannot be read: larger than 16 MiB", true);
  }
  if (std::ferror(file.get())) return failure(path, std::string("cannot be read: ") + std::strerror(errno), true);
  return parse_config(text, path);
}

ConfigResult parse_config(const std::string& text, const std::string& name) {
  auto document = parse_toml(text, name);
  if (auto* problem = std::get_if<Problem>(&document)) {
    ConfigResult result;
    result.problems.push_back(std::move(*problem));
    return result;
  }
  return read_document(*std::get_if<Node>(&document), Reader(name, split_lines(text)));
}

ConfigResult config_from_flags(const std::vector<std::string>& listen, const std::vector<std::string>& to,
                               const std::vector<std::string>& keys) {
  std::vector<Node> addresses = split_flags(listen);
  if (addresses.empty()) return failure(kFlags, "expected at least one address after --listen", false);
  std::vector<Node> backends;
  for (const Node& address : split_flags(to)) {
    std::string backend = address.text;
    std::replace(backend.begin(), backend.end(), '/', '_');
    backends.push_back(table_node({{"name", {}, text_node(backend)}, {"address", {}, address}}));
  }
  if (backends.empty()) return failure(kFlags, "expected at least one address after --to", false);

  const Node affinity = table_node({{"keys", {}, list_node(split_flags(keys))}});
  const Node pool = table_node({{"name", {}, text_node("default")},
                                {"affinity", {}, affinity},
                                {"backend", {}, list_node(std::move(backends))}});
  const Node listener =
      table_node({{"name", {}, text_node("default")}, {"address", {}, list_node(std::move(addresses))}});
  const Node route = table_node({{"pool", {}, text_node("default")}});
  const Node root = table_node(
      {{"listener", {}, list_node({listener})}, {"route", {}, list_node({route})}, {"pool", {}, list_node({pool})}});
  return read_document(root, Reader(kFlags, {}));
}

std::vector<std::string> known_keys() {
  return root_table().keys();
}

}  // namespace limpet::config
