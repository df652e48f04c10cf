// ctest: timeout=30 labels=sanitize
// The byte-level tokenizer, its files, and text that is safe to show.
#include "train/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "expect_error.h"
#include "temporary_folder.h"
#include "train/random.h"

namespace triptych {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;
using Json = nlohmann::ordered_json;

const std::string bad = "\xEF\xBF\xBD";  // U+FFFD

std::string all_bytes() {
  std::string bytes(256, '\0');
  std::iota(bytes.begin(), bytes.end(), '\0');
  return bytes;
}

std::string random_bytes(Random& random, std::size_t length) {
  std::string bytes(length, '\0');
  for (char& c : bytes) {
    // Mostly bytes of which sequences are made, so that valid and nearly valid ones occur.
    c = static_cast<char>(random.below(3) == 0 ? random.below(256) : 0x80 + random.below(0x80));
  }
  return bytes;
}

/// An independent judge: the JSON library refuses to write a string that is not UTF-8.
bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

TEST(Tokenizer, TokensAreBytes) {
  const std::vector<std::int32_t> tokens = encode(all_bytes());
  ASSERT_EQ(tokens.size(), 256u);
  for (std::int32_t i = 0; i < 256; ++i) EXPECT_EQ(tokens[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(decode(tokens), all_bytes());
  EXPECT_TRUE(encode("").empty());
  EXPECT_EQ(decode({}), "");
}

TEST(Tokenizer, RefusesTokensThatAreNoBytes) {
  for (const std::int32_t token : {-1, 256, INT32_MAX, INT32_MIN}) {
    const std::vector<std::int32_t> tokens = {65, token};
    expect_error([&] { decode(tokens); }, ErrorKind::usage, {std::to_string(token), "255"});
  }
}

TEST(TerminalText, ShowsWhatIsValidAndReplacesTheRest) {
  const std::pair<std::string, std::string> cases[] = {
      {"", ""},
      {"plain\ttext\n", "plain\ttext\n"},
      {"\u00e9 \u03b1 \u20ac \U0001F600", "\u00e9 \u03b1 \u20ac \U0001F600"},
      {"\x1b[31mred", bad + "[31mred"},  // an escape sequence is disarmed
      {std::string("a\0b\r\x7f", 5), "a" + bad + "b" + bad + bad},
      {"\xC2\x9B"
       "31m",
       bad + "31m"},             // U+009B, the one-character form of ESC [
      {"\xC2\xA0", "\xC2\xA0"},  // U+00A0 is the first that may be shown
      {"\x80", bad},             // a continuation alone
      {"\xC0\xAF", bad + bad},   // overlong '/'
      {"\xE0\x80\xAF", bad + bad + bad},
      {"\xED\xA0\x80", bad + bad + bad},            // a surrogate
      {"\xF4\x90\x80\x80", bad + bad + bad + bad},  // above U+10FFFF
      {"\xF0\x9F\x98"
       "x",
       bad + "x"},  // cut short: one mark for the whole part
      {"\xE2\x82", bad},
      {"\xF5\xFF\xFE", bad + bad + bad},
  };
  for (const auto& [bytes, shown] : cases) EXPECT_EQ(printable(bytes), shown);
}

TEST(TerminalText, DoesNotDependOnHowTheBytesArrive) {
  Random random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string bytes = random_bytes(random, random.below(24));
    TerminalText text;
    std::string shown;
    for (std::size_t i = 0; i < bytes.size();) {
      const std::size_t length = 1 + random.below(bytes.size() - i);
      shown += text.feed(std::string_view(bytes).substr(i, length));
      ASSERT_TRUE(is_utf8(shown));  // a character is never shown in parts
      i += length;
    }
    shown += text.finish();
    ASSERT_EQ(shown, printable(bytes));
    ASSERT_TRUE(is_utf8(shown));
    ASSERT_EQ(printable(shown), shown);
  }
}

TEST(TerminalText, KeepsEveryCharacterOfUnicode) {
  for (std::uint32_t code = 0xA0; code < 0x110000; code += code < 0x3000 ? 1 : 37) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string bytes;
    if (code < 0x800) {
      bytes = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    } else if (code < 0x10000) {
      bytes = {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
               static_cast<char>(0x80 | (code & 63))};
    } else {
      bytes = {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
               static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    }
    ASSERT_EQ(printable(bytes), bytes) << code;
  }
}

TEST(TokenizerFile, GivesEveryByteItsValueAsId) {
  const Json file = Json::parse(tokenizer_json());
  const Json& model = file["model"];
  EXPECT_EQ(model["type"], "BPE");
  EXPECT_TRUE(model["merges"].empty());
  EXPECT_TRUE(file["added_tokens"].empty());
  ASSERT_EQ(model["vocab"].size(), 256u);
  std::set<int> ids;
  for (const auto& [symbol, id] : model["vocab"].items()) ids.insert(id.get<int>());
  EXPECT_EQ(*ids.begin(), 0);
  EXPECT_EQ(*ids.rbegin(), 255);
  EXPECT_EQ(ids.size(), 256u);
  // Corners of GPT-2's table: what stands for itself, and the first, some and the last other one.
  EXPECT_EQ(model["vocab"]["!"], 33);
  EXPECT_EQ(model["vocab"]["~"], 126);
  EXPECT_EQ(model["vocab"]["\u00ff"], 255);
  EXPECT_EQ(model["vocab"]["\u0100"], 0);
  EXPECT_EQ(model["vocab"]["\u010a"], '\n');
  EXPECT_EQ(model["vocab"]["\u0120"], ' ');
  EXPECT_EQ(model["vocab"]["\u0121"], 127);
  EXPECT_EQ(model["vocab"]["\u0142"], 160);
  EXPECT_EQ(model["vocab"]["\u0143"], 173);
  for (const char* part : {"pre_tokenizer", "decoder"}) {
    EXPECT_EQ(file[part]["type"], "ByteLevel");
    EXPECT_EQ(file[part]["add_prefix_space"], false);
    EXPECT_EQ(file[part]["use_regex"], false);
  }
}

TEST(TokenizerFile, IsAcceptedWhereItWasWritten) {
  const TemporaryFolder folder;
  require_byte_tokenizer(folder.path());  // no file: nothing to object to
  write_tokenizer(folder.path());
  require_byte_tokenizer(folder.path());
  EXPECT_EQ(testing::content_of(folder / "tokenizer.json"), tokenizer_json());
  EXPECT_TRUE(Json::accept(testing::content_of(folder / "tokenizer_config.json")));
}

TEST(TokenizerFile, RefusesOtherTokenizers) {
  const TemporaryFolder folder;
  const Json good = Json::parse(tokenizer_json());
  const auto refuse = [&](const std::string& content, std::string_view why) {
    folder.write("tokenizer.json", content);
    expect_error([&] { require_byte_tokenizer(folder.path()); }, ErrorKind::environment,
                 {"tokenizer.json", why});
  };
  refuse("", "not JSON");
  refuse("{", "not JSON");
  refuse(R"({"model": {"vocab": )" + std::string(100000, '[') + std::string(100000, ']') + "}}",
         "nested deeper");
  refuse(R"({"model": {}, "model": {}})", "twice");
  refuse("[1,2]", "'model'");
  refuse(R"({"model": 3})", "'model'");
  refuse(R"({"model": {"vocab": [1]}})", "1 symbols");
  Json file = good;
  file["model"]["vocab"].erase("a");
  refuse(file.dump(), "255 symbols");
  file = good;
  std::swap(file["model"]["vocab"]["a"], file["model"]["vocab"]["b"]);
  refuse(file.dump(), "byte 97");
  file = good;
  file["model"]["merges"].push_back("a b");
  refuse(file.dump(), "merges");
  file = good;
  file["added_tokens"].push_back({{"id", 256}, {"content", "<s>"}});
  refuse(file.dump(), "added tokens");
}

TEST(TokenizerFile, ReportsAFolderThatIsNotThere) {
  expect_error([] { write_tokenizer("/nowhere/at/all"); }, ErrorKind::environment,
               {"/nowhere/at/all/tokenizer.json"});
}

}  // namespace
}  // namespace triptych
