// What the wire lets in, and what it sends.
#include "kernel/jupyter/wire.h"

#include <algorithm>

#include "kernel/jupyter/message_text.h"
#include "kernel/jupyter/publisher.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::kernel;

constexpr const char* kKey = "5ecret";

Signer signer(const std::string& key = kKey, const std::string& scheme = "hmac-sha256") {
    auto made = Signer::create(scheme, key);
    REQUIRE(made.ok());
    return *made;
}

// Signed rightly, whatever the parts are.
Frames signed_frames(const Frames& parts, const std::string& key = kKey) {
    Frames frames{"client", std::string(kDelimiter),
                  signer(key).sign({parts[0], parts[1], parts[2], parts[3]})};
    frames.insert(frames.end(), parts.begin(), parts.end());
    return frames;
}

Frames request(const std::string& id, const std::string& content = "{}") {
    return signed_frames(
        {R"({"msg_id":")" + id + R"(","msg_type":"kernel_info_request"})", "{}", "{}", content});
}

std::string why_not(Wire& wire, Frames frames) {
    const auto message = wire.parse(std::move(frames));
    return message ? "" : message.error().message;
}

}  // namespace

TEST_CASE("a signature is HMAC-SHA256 in hexadecimal over the four parts") {
    // RFC 4231, test case 2, its text in four parts.
    CHECK(signer("Jefe").sign({"what do ya", " want ", "for ", "nothing?"}) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(signer("k", "hmac-sha512").sign({"", "", "", ""}).size() == 128);
    CHECK(signer("").sign({"a", "b", "c", "d"}).empty());
}

TEST_CASE("a scheme that isn't known is an error that names it") {
    for (const char* scheme : {"hmac-rot13", "sha256", "hmac-", "", "none"}) {
        const auto made = Signer::create(scheme, "key");
        REQUIRE_FALSE(made.ok());
        CHECK(made.error().text().find('"' + std::string(scheme) + '"') != std::string::npos);
    }
}

TEST_CASE("a good message is read whole") {
    Wire wire(signer());
    Frames frames = signed_frames({R"({"msg_id":"a","msg_type":"comm_msg"})", R"({"msg_id":"p"})",
                                   R"({"cellId":1})", R"({"n":123456789012345678901234567890})"});
    frames.insert(frames.begin(), "route");
    frames.emplace_back("\0\xff", 2);
    frames.emplace_back();
    const auto message = wire.parse(frames);
    REQUIRE(message.ok());
    CHECK(message->identities == Frames{"route", "client"});
    CHECK(message->type() == "comm_msg");
    CHECK(message->id() == "a");
    CHECK(message->parent_header["msg_id"] == "p");
    CHECK(message->metadata_text == R"({"cellId":1})");
    CHECK(message->content_text == R"({"n":123456789012345678901234567890})");
    CHECK(message->buffers == Frames{std::string("\0\xff", 2), ""});
}

TEST_CASE("a bad signature is refused before anything is parsed") {
    Wire wire(signer());
    const Frames good = request("1");
    for (const std::string& bad : {std::string(), std::string("0"), good[2].substr(0, 8), good[2] + "00",
                                   std::string(64, '0'), std::string(100'000, 'f')}) {
        Frames frames = good;
        frames[2] = bad;
        frames[3] = "{";
        CHECK(why_not(wire, frames) == "its signature is wrong");
    }
    for (std::size_t part = 3; part < 7; ++part) {
        Frames frames = good;
        frames[part] += " ";
        CHECK(why_not(wire, frames) == "its signature is wrong");
    }
    CHECK(why_not(wire, good).empty());
}

TEST_CASE("a message that was sent before is refused, for as long as it is remembered") {
    Wire wire(signer());
    CHECK(why_not(wire, request("1")).empty());
    CHECK(why_not(wire, request("1")).find("before") != std::string::npos);
    CHECK(why_not(wire, request("2")).empty());
    for (std::size_t i = 0; i < kRememberedSignatures; ++i) {
        REQUIRE(wire.parse(request("other" + std::to_string(i))).ok());
    }
    CHECK(why_not(wire, request("1")).empty());
}

TEST_CASE("without a key nothing is verified") {
    Wire wire(signer(""));
    for (int i = 0; i < 2; ++i) {
        CHECK(why_not(wire, {std::string(kDelimiter), "anything", R"({"msg_id":"1","msg_type":"x"})", "{}",
                             "{}", "{}"})
                  .empty());
    }
}

TEST_CASE("what is no message is refused in words") {
    Wire wire(signer());
    const std::string delimiter(kDelimiter);
    CHECK(why_not(wire, {}) == "it has no delimiter");
    CHECK(why_not(wire, {"", "", "", "", "", ""}) == "it has no delimiter");
    CHECK(why_not(wire, {delimiter}) == "it has too few frames");
    CHECK(why_not(wire, {"a", "b", delimiter}) == "it has too few frames");
    CHECK(why_not(wire, {delimiter, "s", "{}", "{}", "{}"}) == "it has too few frames");
    const std::string header = R"({"msg_id":"1","msg_type":"x"})";
    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    for (const std::string& bad : {std::string("{"), std::string(), std::string("\xff"), std::string("[1,]"),
                                   deep, std::string("{\"a\":\"\xc3\x28\"}"), std::string("1e999999")}) {
        CHECK_FALSE(why_not(wire, signed_frames({bad, "{}", "{}", "{}"})).empty());
        CHECK_FALSE(why_not(wire, signed_frames({header, bad, "{}", "{}"})).empty());
        CHECK_FALSE(why_not(wire, signed_frames({header, "{}", bad, "{}"})).empty());
        CHECK_FALSE(why_not(wire, signed_frames({header, "{}", "{}", bad})).empty());
    }
    for (const char* bad : {"{}", "[]", "7", "null", R"({"msg_id":"1"})", R"({"msg_type":"x"})",
                            R"({"msg_id":1,"msg_type":"x"})", R"({"msg_id":"","msg_type":"x"})",
                            R"({"msg_id":"1","msg_type":null})"}) {
        CHECK(why_not(wire, signed_frames({bad, "{}", "{}", "{}"})) ==
              "its header has no msg_id and msg_type");
    }
    CHECK(why_not(wire, signed_frames(
                            {R"({"msg_id":")" + std::string(kMaxHeaderBytes, 'x') + "\"}", "{}", "{}", "{}"}))
              .find("too large") != std::string::npos);
    CHECK(why_not(wire, signed_frames({header, "{}", "{}", "\"" + std::string(kMaxPartBytes, 'x') + "\""}))
              .find("too large") != std::string::npos);
}

TEST_CASE("a content that isn't an object is the empty one") {
    Wire wire(signer());
    for (const char* content : {"[1]", "null", "\"text\"", "5"}) {
        const auto message = wire.parse(request(std::to_string(content[0]), content));
        REQUIRE(message.ok());
        CHECK(message->content == nlohmann::json::object());
        CHECK(message->content_text == "{}");
    }
}

TEST_CASE("what is sent can be read") {
    Wire ours(signer());
    Outgoing message;
    message.identities = {"topic"};
    message.header = Headers("a \"user\"").make("stream");
    message.buffers = {"b"};
    message.content = ObjectText().text("text", "a\xff\"\n").number("n", -5).finish();
    Wire theirs(signer());
    const auto read = theirs.parse(ours.serialise(message));
    REQUIRE(read.ok());
    CHECK(read->identities == Frames{"topic"});
    CHECK(read->type() == "stream");
    CHECK(read->header["username"] == "a \"user\"");
    CHECK(read->header["version"] == kProtocolVersion);
    CHECK(read->content["text"] == "a\xEF\xBF\xBD\"\n");
    CHECK(read->buffers == Frames{"b"});
}

TEST_CASE("headers have rising ids, one session and six-digit dates") {
    Headers headers("me");
    const auto one = nlohmann::json::parse(headers.make("a"));
    const auto two = nlohmann::json::parse(headers.make("b"));
    CHECK(one["msg_id"] != two["msg_id"]);
    CHECK(two["msg_id"] == headers.last_id());
    CHECK(one["session"] == two["session"]);
    CHECK(Headers("me").session() != headers.session());
    for (int i = 0; i < 1000; ++i) {
        const std::string date = iso_date_now();
        REQUIRE(date.size() == std::string("2026-01-02T03:04:05.000678Z").size());
        REQUIRE(date[19] == '.');
        REQUIRE(date.back() == 'Z');
    }
}

TEST_CASE("a member's text is found as it stands") {
    CHECK(member_text(R"({"data": {"a":[1,"}",{"b":"\"]"}]} , "x":1})", "data") ==
          R"({"a":[1,"}",{"b":"\"]"}]})");
    CHECK(member_text(R"({"other":{"data":1},"data":12345678901234567890123 })", "data") ==
          "12345678901234567890123");
    CHECK(member_text(R"({"data":1,"data":2})", "data") == "2");
    CHECK(member_text(R"({"d\u0061ta":[]})", "data") == "[]");
    CHECK(member_text(R"({"x":"data","y":["data"]})", "data") == std::nullopt);
    CHECK(member_text("{}", "data") == std::nullopt);
    CHECK(member_text(R"({"a":"\\","data":"\\\""})", "data") == R"("\\\"")");
    CHECK(member_text("{\n\t\"data\"\n:\n1e400\n}\n", "data") == "1e400");
}

TEST_CASE("a JSON string says the same as the text, with invalid UTF-8 replaced") {
    const auto back = [](const std::string& text) { return nlohmann::json::parse(json_string(text)); };
    std::string all;
    for (int c = 0; c < 128; ++c) {
        all += static_cast<char>(c);
    }
    for (std::size_t shift = 0; shift < 9; ++shift) {  // words of eight bytes are looked at together
        CHECK(back(std::string(shift, 'x') + all) == std::string(shift, 'x') + all);
    }
    for (const char* text : {"", "é", "€", "😀", "\xF4\x8F\xBF\xBF", "long enough for two words: é, 😀"}) {
        CHECK(back(text) == text);
    }
    const std::string sign = "\xEF\xBF\xBD";
    for (const char* bad : {"\x80", "\xff", "\xC1", "\xC3", "\xF5"}) {
        CHECK(back(bad) == sign);
        CHECK(back(std::string("a") + bad) == "a" + sign);
        CHECK(back(std::string(bad) + "plain text after it") == sign + "plain text after it");
    }
    CHECK(back("\xC0\xAF") == sign + sign);             // overlong
    CHECK(back("\xE0\x80\xAF") == sign + sign + sign);  // overlong
    CHECK(back("\xED\xA0\x80") == sign + sign + sign);  // a surrogate
    CHECK(back("\xF4\x90\x80\x80").get<std::string>().find("\xF4") == std::string::npos);
    CHECK(back("\xE2\x82") == sign + sign);  // cut off
}

TEST_CASE("an object within an object, and bytes in base64, are written in place") {
    ObjectText content(100);
    content.begin("data").base64("image/png", "\x89PNG").text("text/plain", "é").end().raw("metadata", "{}");
    content.begin("empty").end();
    CHECK(content.finish() ==
          R"({"data":{"image/png":"iVBORw==","text/plain":"é"},"metadata":{},"empty":{}})");
    CHECK(ObjectText().base64("b", "").number("n", 1).finish() == R"({"b":"","n":1})");
}

TEST_CASE("base64 of many bytes is one line without padding inside") {
    const std::string bytes((std::size_t{7} << 20) + 1, 'a');  // EVP_EncodeBlock gets more than one block
    const std::string text = base64(bytes);
    CHECK(text.size() == base64_bytes(bytes.size()));
    CHECK(text.find_first_not_of("YWFh") == text.size() - 2);
    CHECK(text.ends_with("YWE="));
    CHECK(ObjectText().base64("b", bytes).finish() == "{\"b\":\"" + text + "\"}");
}

TEST_CASE("a message's large parts are moved, not copied, on their way in and out") {
    Wire wire(signer());
    Frames frames = request("a", R"({"code":")" + std::string(10'000, 'x') + R"("})");
    const char* const content = frames[6].data();
    const auto message = wire.parse(std::move(frames));
    REQUIRE(message.ok());
    CHECK(message->content_text.data() == content);

    ObjectText display(20'000);
    display.begin("data").base64("image/png", std::string(10'000, 'x')).end();
    Outgoing out;
    out.content = display.finish();
    const char* const text = out.content.data();
    const Frames sent = wire.serialise(std::move(out));
    CHECK(std::count_if(sent.begin(), sent.end(), [&](const auto& one) { return one.data() == text; }) == 1);
}
