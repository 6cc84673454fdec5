// The request in a tunnel, judged and written anew.
#include "sandbox/network/inspection.h"

#include <algorithm>
#include <utility>

#include "sandbox/base/text.h"
#include "sandbox/network/proxy_request.h"

namespace cellblock::sandbox::network {

namespace {

constexpr std::uint16_t kHttps = 443;

// Of one header, which must be there once.
const std::string* only_value(const HttpHead& head, std::string_view name) {
    const auto is_it = [&](const HttpHeader& header) { return header.name == name; };
    const auto first = std::find_if(head.headers.begin(), head.headers.end(), is_it);
    const bool alone = first != head.headers.end() && std::none_of(first + 1, head.headers.end(), is_it);
    return alone ? &first->value : nullptr;
}

// TRACE sends the request's headers back.
bool may_be_asked(const std::string& method) {
    const std::string small = lower(method);
    return small != "connect" && small != "trace" && small != "track";
}

}  // namespace

// --- secrets

std::size_t SecretCover::size_of_beginning() const {
    std::size_t most = 0;
    for (const auto& value : values_) {
        for (std::size_t size = std::min(value.size() - 1, held_.size()); size > most; --size) {
            if (std::string_view(held_).ends_with(std::string_view(value).substr(0, size))) {
                most = size;
            }
        }
    }
    return most;
}

std::string SecretCover::pass(std::string_view piece) {
    held_ += piece;
    for (const auto& value : values_) {
        for (std::size_t at = 0; (at = held_.find(value, at)) != std::string::npos; at += value.size()) {
            held_.replace(at, value.size(), value.size(), '*');
        }
    }
    const std::size_t ready = held_.size() - size_of_beginning();
    std::string passed = held_.substr(0, ready);
    held_.erase(0, ready);
    return passed;
}

std::string SecretCover::end() {
    return std::exchange(held_, {});
}

// --- the tunnel

Inspection::Step Inspection::finish(Step step) {
    step.to_client += parts_.client.take_wire();
    step.to_server += parts_.server.take_wire();
    return step;
}

Inspection::Step Inspection::begin() {
    Step step;
    if (const auto fed = parts_.server.feed({}); !fed) {
        step.fault = fed.error().message;
    }
    return finish(std::move(step));
}

Inspection::Step Inspection::from_server(std::string_view wire) {
    Step step;
    const auto fed = parts_.server.feed(wire);
    const std::string plain = parts_.server.take_plain();
    if (!fed) {
        step.fault = fed.error().message;
    } else if (!asked_ && !plain.empty()) {
        step.fault = "the host speaks before it is asked";
        return finish(std::move(step));
    }
    const auto passed = response_.pass(plain);
    const auto written = parts_.client.write(cover_.pass(passed.value_or("")));
    if (fed && !written) {
        step.fault = written.error().message;
    } else if (!passed) {
        step.fault = "the host's answer isn't HTTP";
    } else if (parts_.server.has_ended()) {
        step.over = true;
        (void)parts_.client.write(cover_.end());
        parts_.client.end();
        parts_.server.end();
    }
    return finish(std::move(step));
}

Inspection::Step Inspection::server_cut() {
    (void)parts_.client.write(cover_.end());
    return finish({});
}

Inspection::Step Inspection::from_client(std::string_view wire) {
    Step step;
    const auto fed = parts_.client.feed(wire);
    take_plain(parts_.client.take_plain(), step);
    if (!fed && step.refused.empty()) {
        step.fault = "its TLS broke: " + fed.error().message;
    }
    step.client_over = parts_.client.has_ended();
    return finish(std::move(step));
}

void Inspection::take_plain(const std::string& plain, Step& step) {
    if (asked_) {
        return pass_body(plain, step);
    }
    head_ += plain;
    if (!head_.empty()) {
        take_head(step);
    }
}

void Inspection::take_head(Step& step) {
    auto read = read_http_head(head_);
    if (read.kind == HeadRead::Kind::more) {
        return;
    }
    asked_ = true;
    const std::string rest =
        std::exchange(head_, {}).substr(read.kind == HeadRead::Kind::whole ? read.size : 0);
    const HostRule* rule = nullptr;
    auto why = Refusal::bad_request;
    std::string reason = read.complaint;
    if (read.kind == HeadRead::Kind::whole) {
        request_ = summary_of(read.head);
        reason = judge(read.head, rule);
        why = Refusal::not_allowed;
    }
    auto body = body_of(read.head);
    if (reason.empty() && !body) {
        reason = body.error().message;
        why = Refusal::bad_request;
    }
    if (!reason.empty() || rule == nullptr) {
        step.refused = reason;
        (void)parts_.client.write(refusal(ProxyKind::request, why, reason));
        parts_.client.end();
        return;
    }
    rule_ = rule->text;
    std::vector<std::pair<std::string, std::string>> written;
    std::vector<std::string> values;
    for (const auto& header : rule->headers) {
        const auto& value = parts_.secrets.at(header.secret);
        written.emplace_back(header.name, header.prefix + value);
        values.push_back(value);
    }
    if (!values.empty()) {
        written.emplace_back("Accept-Encoding", "identity");  // so that a secret can be seen in the answer
    }
    cover_ = SecretCover(std::move(values));
    body_ = *body;
    const auto sent =
        parts_.server.write(head_to_send(read.head, server_text(parts_.host, parts_.port, kHttps), written));
    if (!sent) {
        step.fault = sent.error().message;
        return;
    }
    pass_body(rest, step);
}

std::string Inspection::judge(const HttpHead& head, const HostRule*& by) const {
    const std::string* server = only_value(head, "host");
    const auto named = server != nullptr ? read_host_and_port(*server, kHttps) : std::nullopt;
    if (!named || named->host != parts_.host || named->port != parts_.port) {
        return "its Host header isn't " + server_text(parts_.host, parts_.port, kHttps);
    }
    if (!head.target.starts_with('/') || !may_be_asked(head.method)) {
        return "it isn't a request for a path of the host";
    }
    by = rule_for(parts_.rules, head);
    return by != nullptr ? "" : refusal_of(head, parts_.host.text);
}

void Inspection::pass_body(std::string_view bytes, Step& step) {
    const auto part = body_.take(bytes);
    if (!part) {
        step.fault = "its body isn't in chunks, though it says so";
        return;
    }
    if (const auto sent = parts_.server.write(bytes.substr(0, *part)); !sent) {
        step.fault = sent.error().message;
    }
}

}  // namespace cellblock::sandbox::network
