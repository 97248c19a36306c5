// SPDX-License-Identifier: Apache-2.0
// The admin API's sockets: modes, stale files, and what a failed start leaves behind.
#include "proxy/admin/socket.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "tests/admin/fixture.h"

namespace limpet::admin {

namespace {

bool exists(const std::string& path) {
  struct stat found {};
  return ::lstat(path.c_str(), &found) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(admin_sockets)

BOOST_AUTO_TEST_CASE(the_socket_file_has_its_mode_and_goes_with_the_admin) {
  std::string path;
  ScratchDirectory directory;
  {
    const auto mask = ::umask(0077);
    auto listener = UnixListener::open(directory.path() + "/a/b/admin.sock");
    ::umask(mask);
    BOOST_REQUIRE(listener.ok());
    path = directory.path() + "/a/b/admin.sock";
    struct stat found {};
    BOOST_REQUIRE_EQUAL(::lstat(path.c_str(), &found), 0);
    BOOST_TEST(S_ISSOCK(found.st_mode));
    BOOST_TEST((found.st_mode & 0777) == 0660U);
  }
  BOOST_TEST(!exists(path));
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced_and_a_live_one_is_not) {
  ScratchDirectory directory;
  const std::string path = directory.path() + "/admin.sock";
  {
    auto address = net::Address::parse("unix:" + path);
    const Fd stale(::socket(AF_UNIX, SOCK_STREAM, 0));
    BOOST_REQUIRE_EQUAL(::bind(stale.value(), address->raw(), address->raw_size()), 0);
  }
  BOOST_REQUIRE(exists(path));
  auto first = UnixListener::open(path);
  BOOST_REQUIRE(first.ok());
  const auto second = UnixListener::open(path);
  BOOST_REQUIRE(!second.ok());
  BOOST_TEST(second.error().what.find("in use") != std::string::npos);
  BOOST_TEST(exists(path));
}

BOOST_AUTO_TEST_CASE(another_ones_file_is_left_alone) {
  ScratchDirectory directory;
  const std::string path = directory.path() + "/admin.sock";
  std::ofstream(path) << "precious";
  const auto refused = UnixListener::open(path);
  BOOST_REQUIRE(!refused.ok());
  BOOST_TEST(refused.error().what.find("not a socket") != std::string::npos);
  std::filesystem::remove(path);
  {
    auto listener = UnixListener::open(path);
    BOOST_REQUIRE(listener.ok());
    std::filesystem::remove(path);
    std::ofstream(path) << "of the next process";
  }
  BOOST_TEST(exists(path));
}

BOOST_AUTO_TEST_CASE(an_address_that_is_not_loopback_needs_a_token) {
  RunningLoop loop;
  ScriptedControl control;
  session::AdminSettings settings;
  settings.socket = "";
  settings.address = "0.0.0.0:0";
  std::optional<std::string> problem, with_token;
  std::uint16_t port = 0;
  loop.run([&] {
    Admin admin(loop.base(), control, settings);
    problem = admin.start();
    settings.token = "s3cret";
    Admin guarded(loop.base(), control, settings);
    with_token = guarded.start();
    port = guarded.port();
  });
  BOOST_REQUIRE(problem);
  BOOST_TEST(problem->find("token_file") != std::string::npos);
  BOOST_TEST(!with_token);
  BOOST_TEST(port != 0);
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_leaves_nothing_open) {
  RunningAdmin server;
  ScratchDirectory directory;
  session::AdminSettings settings;
  settings.socket = directory.path() + "/admin.sock";
  settings.address = server.tcp_address;
  std::optional<std::string> problem;
  server.loop.run([&] {
    Admin admin(server.loop.base(), server.control, settings);
    problem = admin.start();
    BOOST_TEST(!exists(settings.socket));
  });
  BOOST_REQUIRE(problem);
  BOOST_TEST(problem->find("cannot bind") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::admin
