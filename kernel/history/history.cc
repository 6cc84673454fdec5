#include "kernel/history/history.h"

#include <cstdlib>
#include <iostream>

namespace cellblock::kernel {

using nlohmann::json;
using sandbox::Error;
using sandbox::Result;

namespace {

using Access = HistoryRequest::Access;

json as_json(const HistoryLine& line, bool with_output) {
    json what = line.input;
    if (with_output) {
        what = json::array({line.input, line.output ? json(*line.output) : json(nullptr)});
    }
    return json::array({line.session, line.number, std::move(what)});
}

}  // namespace

History::History(const std::string& file) {
    auto opened = HistoryStore::open(file, {});
    if (opened) {
        store_.emplace(std::move(*opened));
    } else {
        give_up(opened.error());
    }
}

void History::give_up(const Error& error) {
    store_.reset();
    given_up_ = error.text();
    std::cerr << "cellblock kernel: this session's inputs aren't kept: " << given_up_ << "\n";
}

template <class Value>
Value History::use(Result<Value> result) {
    if (!result) {
        give_up(result.error());
        return {};
    }
    return std::move(*result);
}

void History::store(int line, std::string input) {
    if (store_) {
        use(store_->add(line, input));
    }
    here_.store(line, std::move(input));
}

void History::store_output(int line, std::string text) {
    here_.store_output(line, std::move(text));
}

HistoryLines History::from_store(const HistoryRequest& request, std::size_t own) {
    if (!store_) {
        return {};
    }
    if (request.access == Access::tail) {
        return use(store_->tail(request.n - own));
    }
    return use(store_->range(request.session, request.start, request.stop));
}

HistoryLines History::lines(const HistoryRequest& request) {
    const std::int64_t session = store_ ? use(store_->session()) : kSession;
    HistoryLines own;
    HistoryLines found;
    if (request.access == Access::search) {
        Search search(request);
        here_.search(search);
        if (store_) {
            use(store_->search(search));
        }
        found = search.take();
    } else if (request.access == Access::tail) {
        own = here_.tail(request.n);
        found = from_store(request, own.size());
    } else if (request.session == 0 || request.session == session) {
        own = here_.range(request.start, request.stop);
    } else {
        found = from_store(request, 0);
    }
    found.insert(found.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
    for (auto& line : found) {
        line.session = line.session == 0 ? session : line.session;
    }
    return found;
}

json History::answer(const json& content) {
    const HistoryRequest request = read_history_request(content);
    json history = json::array();
    for (const auto& line : lines(request)) {
        history.push_back(as_json(line, request.output));
    }
    return history;
}

sandbox::HistoryAnswer History::answer(const sandbox::HistoryQuestion& question) {
    if (!given_up_.empty()) {
        return {"[]", given_up_};
    }
    const auto found = lines(read_history_question(question));
    std::size_t bytes = 0;
    auto first = found.end();  // the newest are wanted most
    while (first != found.begin() && bytes <= kAnswerBytes) {
        bytes += (--first)->input.size() + sizeof(HistoryLine);
    }
    json history = json::array();
    for (auto line = bytes > kAnswerBytes ? first + 1 : first; line != found.end(); ++line) {
        history.push_back(as_json(*line, false));
    }
    return {history.dump(-1, ' ', false, json::error_handler_t::replace), {}};
}

std::optional<std::string> history_file(const std::string& policy_value) {
    if (policy_value == "none") {
        return std::nullopt;
    }
    if (policy_value != "keep") {
        return policy_value;
    }
    const char* data = std::getenv("XDG_DATA_HOME");
    const char* home = std::getenv("HOME");
    const std::string folder = data != nullptr && data[0] == '/'
                                   ? std::string(data)
                                   : std::string(home != nullptr ? home : "/nonexistent") + "/.local/share";
    return folder + "/cellblock/history.sqlite";
}

}  // namespace cellblock::kernel
