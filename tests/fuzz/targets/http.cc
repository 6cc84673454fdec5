// What a client of `cellblock serve` writes beside JSON: on a line each a request's target and its content
// type, and behind them the body, which is read as a form, as a stream's message and as gzip.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/e2b/connect.h"
#include "kernel/http/gzip.h"
#include "kernel/http/message.h"
#include "kernel/http/multipart.h"
#include "tests/fuzz/must.h"

using namespace cellblock::kernel;

namespace {

std::string_view take_line(std::string_view& rest) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    return line;
}

bool is_within(std::string_view part, std::string_view whole) {
    return part.empty() ||
           (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void read_as_target(std::string_view target) {
    HttpRequest request;
    if (!read_target(target, request)) {
        return;
    }
    must(request.path.starts_with('/') && request.path.size() <= target.size());
    must(request.path.find('\0') == std::string::npos && request.query.size() <= 64);
    for (const auto& [name, value] : request.query) {
        must(!name.empty() && (name + value).find('\0') == std::string::npos);
    }
}

void read_as_form(std::string_view type, std::string_view body) {
    const auto parts = read_multipart(type, body);
    if (!parts) {
        must(!parts.error().text().empty());
        return;
    }
    must(parts->size() <= 1000);
    const char* last = body.data();
    for (const auto& part : *parts) {
        must(is_within(part.content, body));
        must(part.content.empty() || part.content.data() >= last);
        last = part.content.empty() ? last : part.content.data() + part.content.size();
        must(part.name.size() <= body.size());
    }
}

void read_as_gzip(std::string_view body, std::size_t step) {
    Gunzip gunzip(body);
    // Each step takes a byte or gives one, but the last, which sees the end.
    for (std::size_t count = 0; !gunzip.is_done(); ++count) {
        const auto piece = gunzip.next(step);
        if (!piece) {
            must(!piece.error().text().empty());
            return;
        }
        must(piece->size() <= step && count <= body.size() * 1100 + 2);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const std::string_view target = take_line(rest);
    const std::string_view type = take_line(rest);
    read_as_target(target);
    read_as_form(type, rest);
    read_as_gzip(rest, 1 + type.size());
    if (const auto message = first_envelope(rest)) {
        must(is_within(*message, rest) && message->size() + 5 <= rest.size());
        must(rest.starts_with(envelope(std::string(*message))));
    }
    return 0;
}
