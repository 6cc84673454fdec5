#include "kernel/history/request.h"

#include <algorithm>

namespace cellblock::kernel {

using nlohmann::json;

namespace {

std::optional<std::int64_t> integer(const json& request, const char* name) {
    const auto found = request.find(name);
    if (found == request.end() || !found->is_number_integer()) {
        return std::nullopt;
    }
    return found->get<std::int64_t>();
}

bool flag(const json& request, const char* name) {
    const auto found = request.find(name);
    return found != request.end() && found->is_boolean() && found->get<bool>();
}

std::string text(const json& request, const char* name, const std::string& otherwise) {
    const auto found = request.find(name);
    return found != request.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

std::optional<std::size_t> count(const json& request) {
    const auto n = integer(request, "n");
    return n ? std::optional<std::size_t>(static_cast<std::size_t>(std::max<std::int64_t>(*n, 0)))
             : std::nullopt;
}

}  // namespace

HistoryRequest read_history_request(const json& content) {
    HistoryRequest request;
    const std::string kind = text(content, "hist_access_type", "tail");
    request.access = kind == "range"    ? HistoryRequest::Access::range
                     : kind == "search" ? HistoryRequest::Access::search
                                        : HistoryRequest::Access::tail;
    request.output = flag(content, "output");
    request.most = count(content);
    request.n = request.most.value_or(request.n);
    request.session = integer(content, "session").value_or(0);
    request.start = integer(content, "start").value_or(1);
    request.stop = integer(content, "stop");
    request.pattern = text(content, "pattern", "*");
    request.unique = flag(content, "unique");
    return request;
}

HistoryRequest read_history_question(const sandbox::HistoryQuestion& question) {
    using Kind = sandbox::HistoryQuestion::Kind;
    HistoryRequest request;
    request.access = question.kind == Kind::range    ? HistoryRequest::Access::range
                     : question.kind == Kind::search ? HistoryRequest::Access::search
                                                     : HistoryRequest::Access::tail;
    if (question.n) {
        request.n = *question.n;
        request.most = *question.n;
    }
    request.session = question.session;
    request.start = question.start;
    request.stop = question.stop;
    request.pattern = question.pattern;
    request.unique = question.unique;
    return request;
}

}  // namespace cellblock::kernel
