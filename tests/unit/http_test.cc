// Requests' targets, forms, compressed bodies, and messages of the Connect protocol, as clients write them
// and as attackers do.
#define ZLIB_CONST
#include <zlib.h>

#include <string>

#include "kernel/e2b/connect.h"
#include "kernel/http/gzip.h"
#include "kernel/http/message.h"
#include "kernel/http/multipart.h"
#include "tests/unit/catch.h"

namespace {

using namespace cellblock::kernel;
using std::string_literals::operator""s;

std::string decoded(std::string_view text, bool plus_is_space = false) {
    std::string out;
    return decode_url(text, plus_is_space, out) ? out : "(refused)";
}

bool is_target(std::string_view target) {
    HttpRequest request;
    return read_target(target, request);
}

// The parts of a form whose boundary is "b".
std::vector<FormPart> parts_of(std::string_view body) {
    auto parts = read_multipart("multipart/form-data; boundary=b", body);
    REQUIRE(parts.ok());
    return *parts;
}

std::string fault_of(std::string_view type, std::string_view body) {
    const auto parts = read_multipart(type, body);
    return parts.ok() ? "" : parts.error().text();
}

std::string part(const std::string& disposition, const std::string& content) {
    return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n";
}

std::string file_name_of(const std::string& disposition) {
    const std::string body = part(disposition, "x") + "--b--";
    const auto parts = parts_of(body);
    REQUIRE(parts.size() == 1);
    return parts[0].file_name.value_or("(none)");
}

std::string gzip(const std::string& content) {
    z_stream stream{};
    REQUIRE(::deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(content.size() + 100, '\0');
    stream.next_in = reinterpret_cast<const Bytef*>(content.data());
    stream.avail_in = static_cast<uInt>(content.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    ::deflateEnd(&stream);
    return out;
}

// The content of a compressed body, in steps of that size; or why it is broken.
std::string inflated(std::string_view body, std::size_t step) {
    Gunzip gunzip(body);
    std::string whole;
    while (!gunzip.is_done()) {
        const auto piece = gunzip.next(step);
        if (!piece) {
            return piece.error().text();
        }
        CHECK(piece->size() <= step);
        whole += *piece;
    }
    return whole;
}

}  // namespace

TEST_CASE("percent signs are decoded once, also at a text's end") {
    CHECK(decoded("") == "");
    CHECK(decoded("a%2Fb%2f") == "a/b/");
    CHECK(decoded("%41") == "A");
    CHECK(decoded("%2541") == "%41");
    CHECK(decoded("%ff\xff") == "\xff\xff");
    CHECK(decoded("a+b") == "a+b");
    CHECK(decoded("a+b%2B", true) == "a b+");
}

TEST_CASE("half a percent sign, other letters and NUL are refused in an address") {
    for (const auto* text : {"%", "%4", "a%", "a%2", "%zz", "%4g", "%-1", "% 1", "%00", "a%00b"}) {
        CHECK(decoded(text) == "(refused)");
    }
    CHECK(decoded("a\0b"s) == "(refused)");
}

TEST_CASE("a target is a path and its parameters") {
    HttpRequest request;
    REQUIRE(read_target("/a%20b/+c?x=1&y=a+b%26&z&&=none&x=2&w==#part?q=1", request));
    CHECK(request.path == "/a b/+c");
    CHECK(request.query ==
          std::map<std::string, std::string>{{"x", "2"}, {"y", "a b&"}, {"z", ""}, {"w", "="}});
}

TEST_CASE("a target that is no path is refused") {
    for (const auto* target : {"", "*", "health", "http://host/health", "host:80", "?a=1", "/%", "/?a=%",
                               "/?%0=1", "/%00", "/?a=%00"}) {
        CHECK_FALSE(is_target(target));
    }
    CHECK(is_target("/"));
    CHECK(is_target("//"));
    CHECK(is_target("/?"));
}

TEST_CASE("a target has at most 64 parameters") {
    std::string target = "/?";
    for (int i = 0; i < 64; ++i) {
        target += "a" + std::to_string(i) + "=1&";
    }
    CHECK(is_target(target));
    CHECK_FALSE(is_target(target + "b"));
}

TEST_CASE("names of headers are compared without case") {
    const CaselessLess less;
    CHECK_FALSE(less("Host", "hOST"));
    CHECK_FALSE(less("hOST", "Host"));
    CHECK(less("A", "b"));
    CHECK(less("a", "B"));
    CHECK(less("ab", "ABC"));
    CHECK_FALSE(less("", ""));
    // Bytes above ASCII are no letters, and sort as what they are.
    CHECK(less("z", "\xe4"));
    CHECK(less("\xc4", "\xe4"));
}

TEST_CASE("of several headers with a name the first counts") {
    HttpRequest request;
    request.headers.emplace("X-Key", "1");
    request.headers.emplace("x-key", "2");
    CHECK(request.header("X-KEY") == "1");
    CHECK(request.header("none").empty());
}

TEST_CASE("each status has its words") {
    CHECK(status_words(200) == "OK");
    CHECK(status_words(431) == "Request Header Fields Too Large");
    CHECK(status_words(507) == "Insufficient Storage");
    CHECK(status_words(0) == "Status");
    CHECK(status_words(-1) == "Status");
}

TEST_CASE("a form's parts have names, files' names and contents") {
    const std::string body = "a preamble\r\n" + part("name=\"file\"; filename=\"a b.txt\"", "one\r\n--\r\n") +
                             part("name=other", "") + "--b\r\n\r\nbare\r\n--b--\r\nan epilogue";
    const auto parts = parts_of(body);
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].name == "file");
    CHECK(parts[0].file_name == "a b.txt");
    CHECK(parts[0].content == "one\r\n--\r\n");
    CHECK(parts[1].name == "other");
    CHECK_FALSE(parts[1].file_name);
    CHECK(parts[1].content.empty());
    CHECK(parts[2].name.empty());
    CHECK(parts[2].content == "bare");
    CHECK(parts_of("--b--").empty());
}

TEST_CASE("a boundary counts at the beginning of a line alone") {
    const std::string body = part("name=file", "x--b\r\n-b\n--b\r--b--\r\n -") + "--b--";
    const auto parts = parts_of(body);
    REQUIRE(parts.size() == 1);
    CHECK(parts[0].content == "x--b\r\n-b\n--b\r--b--\r\n -");
}

TEST_CASE("a file's name is read as browsers and libraries write it") {
    CHECK(file_name_of("name=file") == "(none)");
    CHECK(file_name_of("name=file; filename=\"\"") == "");
    CHECK(file_name_of("NAME=file; FileName=a.txt ") == "a.txt");
    CHECK(file_name_of(R"(name=file; filename="a\"b\\c\d;e")") == R"(a"b\c\d;e)");
    CHECK(file_name_of("name=file; filename=\"a%22b%0D%0A%25\"") == "a\"b\r\n%25");
    CHECK(file_name_of("name=file; filename=x; filename*=UTF-8''na%C3%AFve") == "na\xc3\xafve");
    CHECK(file_name_of("name=file; filename*=utf-8''a; filename=x") == "a");
    CHECK(file_name_of("name=file; filename*=utf-8''%00; filename=x") == "x");
    CHECK(file_name_of("name=file; filename*=latin1''a") == "(none)");
    CHECK(file_name_of("name=file; filename=\"open") == "open");
    CHECK(file_name_of("name=file; ;; filename") == "(none)");
}

TEST_CASE("a form that is none is refused with its reason") {
    const std::string form = "multipart/form-data; boundary=b";
    CHECK(fault_of("multipart/form-data", "--b--").find("no boundary") != std::string::npos);
    CHECK(fault_of("multipart/form-data; boundary=\"\"", "--b--").find("no boundary") != std::string::npos);
    CHECK(fault_of("multipart/form-data; boundary=" + std::string(71, 'b'), "").find("1 to 70") !=
          std::string::npos);
    CHECK(fault_of(form, "").find("isn't in the body") != std::string::npos);
    CHECK(fault_of(form, "x--b--").find("isn't in the body") != std::string::npos);
    CHECK(fault_of(form, "--b").find("goes on") != std::string::npos);
    CHECK(fault_of(form, "--bb\r\n\r\n\r\n--b--").find("goes on") != std::string::npos);
    CHECK(fault_of(form, "--b\r\nA: b\r\n").find("no end") != std::string::npos);
    CHECK(fault_of(form, "--b\r\nA: " + std::string(20'000, 'x') + "\r\n\r\n\r\n--b--").find("16 KiB") !=
          std::string::npos);
    CHECK(fault_of(form, "--b\r\n\r\nx").find("last boundary") != std::string::npos);
    std::string many;
    for (int i = 0; i < 1001; ++i) {
        many += part("name=file", "");
    }
    CHECK(fault_of(form, many + "--b--").find("1,000 parts") != std::string::npos);
}

TEST_CASE("a quoted boundary is taken, with blanks behind it") {
    const auto parts =
        read_multipart(R"(multipart/form-data; charset=x; Boundary="a b")", "--a b  \t\r\n\r\nx\r\n--a b--");
    REQUIRE(parts.ok());
    REQUIRE(parts->size() == 1);
    CHECK(parts->front().content == "x");
}

TEST_CASE("a message of a stream is read back as it was written") {
    CHECK(envelope("{}") == "\0\0\0\0\2{}"s);
    CHECK(first_envelope(envelope("")) == "");
    const std::string large(70'000, 'x');
    CHECK(first_envelope(envelope(large) + envelope("more")) == large);
    CHECK(last_envelope() == "\2\0\0\0\2{}"s);
    CHECK(last_envelope(RpcError{"not_found", "\xff"}).find("\xef\xbf\xbd") != std::string::npos);
}

TEST_CASE("what is no whole message of a stream is refused") {
    const std::string whole = envelope("{\"a\": 1}");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CHECK_FALSE(first_envelope(std::string_view(whole).substr(0, size)));
    }
    CHECK_FALSE(first_envelope("\1\0\0\0\2{}"s));  // compressed
    CHECK_FALSE(first_envelope("\2\0\0\0\2{}"s));  // an end
    CHECK_FALSE(first_envelope("\0\xff\xff\xff\xff{}"s));
}

TEST_CASE("an envelope's length is known from its head") {
    CHECK(envelope_size("\0\0\0\0"s) == 0);
    CHECK(envelope_size("\0\0\0\0\0"s) == 5);
    CHECK(envelope_size("\1\0\0\1\2rest"s) == 5 + 258);
    CHECK(envelope_size("\0\xff\xff\xff\xff"s) == 5 + 0xffffffffULL);
}

TEST_CASE("a compressed body gives what was compressed, whatever a step's size") {
    std::string mixed;
    for (int i = 0; i < 5000; ++i) {
        mixed += std::to_string(i * i % 977);
    }
    for (const auto& content : {""s, "x"s, mixed, std::string(100'000, 'x')}) {
        const std::string body = gzip(content);
        for (const std::size_t step : {1UL, 7UL, 1000UL, content.size() + 1, std::size_t{1} << 20}) {
            CHECK(inflated(body, step) == content);
        }
    }
}

TEST_CASE("a compressed body that is cut, goes on or was changed is broken") {
    const std::string body = gzip("some text, and some more text");
    for (const std::size_t step : {1UL, 5UL, 1000UL}) {
        for (std::size_t size = 0; size < body.size(); ++size) {
            CHECK(inflated(body.substr(0, size), step).find("ends too early") != std::string::npos);
        }
        CHECK(inflated(body + "x", step).find("goes on") != std::string::npos);
        CHECK(inflated(body + body, step).find("goes on") != std::string::npos);
        std::string changed = body;
        changed[changed.size() - 8] ^= 1;
        CHECK(inflated(changed, step).find("incorrect data check") != std::string::npos);
        changed = body;
        changed.back() ^= 1;
        CHECK(inflated(changed, step).find("incorrect length check") != std::string::npos);
        CHECK(inflated("no gzip", step).find("incorrect header check") != std::string::npos);
    }
}

TEST_CASE("blocks with nothing in them are taken step by step") {
    const std::string head = gzip("").substr(0, 10);
    std::string body = head;
    for (int i = 0; i < 1000; ++i) {
        body += "\0\0\0\xff\xff"s;
    }
    Gunzip gunzip(body);
    for (std::size_t taken = 0; taken + 100 < body.size(); taken += 100) {
        const auto piece = gunzip.next(100);
        REQUIRE(piece.ok());
        CHECK(piece->empty());
    }
    CHECK_FALSE(gunzip.is_done());
}
