#include "kernel/server/session_bridge.h"

#include <algorithm>
#include <iostream>

#include "kernel/jupyter/message_text.h"

namespace cellblock::kernel {

using namespace sandbox;

namespace {

// How long the bundle will be as JSON, so that the message is allocated once.
std::size_t expected_bytes(const std::vector<MimeItem>& data) {
    std::size_t sum = 0;
    for (const auto& item : data) {
        constexpr std::size_t kForName = 80;
        sum += kForName;
        if (const auto* bytes = std::get_if<Bytes>(&item.value)) {
            sum += base64_bytes(bytes->value.size());
        } else if (const auto* json = std::get_if<RawJson>(&item.value)) {
            sum += json->text.size();
        } else {
            sum += json_bytes(std::get<std::string>(item.value));
        }
    }
    return sum;
}

void add_bundle(ObjectText& content, const std::vector<MimeItem>& data) {
    content.begin("data");
    for (const auto& item : data) {
        if (const auto* bytes = std::get_if<Bytes>(&item.value)) {
            content.base64(item.type, bytes->value);
        } else if (const auto* json = std::get_if<RawJson>(&item.value)) {
            content.raw(item.type, json->text);
        } else {
            content.text(item.type, std::get<std::string>(item.value));
        }
    }
    content.end();
}

const std::string* plain_text(const std::vector<MimeItem>& data) {
    for (const auto& item : data) {
        if (item.type == "text/plain") {
            return std::get_if<std::string>(&item.value);
        }
    }
    return nullptr;
}

const char* type_of(DisplayKind kind) {
    switch (kind) {
        case DisplayKind::display_data:
            return "display_data";
        case DisplayKind::execute_result:
            return "execute_result";
        case DisplayKind::update_display_data:
            break;
    }
    return "update_display_data";
}

}  // namespace

CellId SessionBridge::execute(ExecuteRequest request, Origin origin) {
    outcome_.reset();
    is_silent_ = request.silent;
    const CellId cell = session_.execute(std::move(request));
    remember(cell, std::move(origin));
    return cell;
}

CellId SessionBridge::send_comm(const CommInput& message, Origin origin) {
    outcome_.reset();
    const CellId cell = session_.send_comm(message);
    remember(cell, std::move(origin));
    return cell;
}

QueryId SessionBridge::ask(const Query& query) {
    reply_.reset();
    return session_.ask(query);
}

void SessionBridge::advance() {
    session_.advance([this](Event event) {
        std::visit(
            [this](auto&& one) {
                if constexpr (!std::is_same_v<std::decay_t<decltype(one)>, StreamOutput>) {
                    streams_.release(Clock::now());  // what was written before it
                }
                on(std::forward<decltype(one)>(one));
            },
            std::move(event));
    });
    streams_.release_due(Clock::now());
}

std::optional<TimePoint> SessionBridge::next_deadline() const {
    const auto session = session_.next_deadline();
    const auto streams = streams_.next();
    return session && streams ? std::min(*session, *streams) : session ? session : streams;
}

void SessionBridge::interrupt() {
    question_.reset();  // its answer would come too late
    session_.interrupt();
}

void SessionBridge::remember(CellId cell, Origin origin) {
    origins_.insert_or_assign(cell, std::move(origin));
    while (origins_.size() > kRememberedCells) {
        origins_.erase(origins_.begin());
    }
}

// The request that made `cell`. For a cell that was forgotten the latest request, so that its output is still
// seen.
const Origin& SessionBridge::origin_of(CellId cell) const {
    static const Origin none;
    const auto found = origins_.find(cell);
    if (found != origins_.end()) {
        return found->second;
    }
    return cell == 0 || origins_.empty() ? none : origins_.rbegin()->second;
}

void SessionBridge::on(StreamOutput output) {
    streams_.add(std::move(output), Clock::now());
}

void SessionBridge::publish(const StreamOutput& output) {
    publisher_.publish("stream", origin_of(output.cell).header,
                       ObjectText()
                           .text("name", output.name == StreamName::standard_output ? "stdout" : "stderr")
                           .text("text", output.text)
                           .finish());
}

void SessionBridge::on(DisplayOutput output) {
    const Origin& origin = origin_of(output.cell);
    constexpr std::size_t kForTheRest = 512;
    ObjectText content(expected_bytes(output.data) + output.metadata.text.size() + kForTheRest);
    add_bundle(content, output.data);
    content.raw("metadata", output.metadata.text);
    if (output.display_id) {
        content.raw("transient", ObjectText().text("display_id", *output.display_id).finish());
    } else if (output.kind != DisplayKind::execute_result) {  // a result's has no such member in ipykernel
        content.raw("transient", "{}");
    }
    if (output.kind == DisplayKind::execute_result) {
        content.number("execution_count", origin.count);
        if (const std::string* text = plain_text(output.data); text != nullptr && origin.stores) {
            history_.store_output(origin.count, *text);
        }
    }
    publisher_.publish(type_of(output.kind), origin.header, content.finish(), "{}",
                       std::move(output.buffers));
}

void SessionBridge::on(const ClearOutput& output) {
    publisher_.publish("clear_output", origin_of(output.cell).header,
                       ObjectText().flag("wait", output.wait).finish());
}

void SessionBridge::on(const ErrorOutput& output) {
    publisher_.publish("error", origin_of(output.cell).header,
                       ObjectText()
                           .text("ename", output.error.ename)
                           .text("evalue", output.error.evalue)
                           .raw("traceback", json_strings(output.error.traceback))
                           .finish());
}

void SessionBridge::on(const InputRequest& request) {
    const Origin& origin = origin_of(request.cell);
    Question question{request.request, {}, origin};
    question.message_id =
        publisher_.ask_input(origin.identities, origin.header, request.prompt, request.password);
    question_ = std::move(question);
}

void SessionBridge::on(const StartNotice& notice) {
    if (notice.text.empty()) {
        return on(ClearOutput{notice.cell, false});
    }
    on(StreamOutput{notice.cell, StreamName::standard_error, notice.text});
}

void SessionBridge::take_input(const Message& message) {
    if (message.type() != "input_reply" || !question_ || message.identities != question_->origin.identities) {
        return;
    }
    // jupyter_client sends no parent; JupyterLab sends the input_request's header.
    const auto parent = message.parent_header.find("msg_id");
    if (parent != message.parent_header.end() && *parent != question_->message_id &&
        *parent != question_->origin.id) {
        return;
    }
    const auto value = message.content.find("value");
    if (value == message.content.end() || !value->is_string()) {
        std::cerr << "cellblock kernel: an input_reply without a text was ignored\n";
        return;
    }
    const std::uint64_t request = question_->request;
    question_.reset();
    session_.answer_input(request, value->get<std::string>());
}

void SessionBridge::on(CommOutput output) {
    if (file_comms_.target().is_open(output.comm_id) || command_comms_.target().is_open(output.comm_id)) {
        return;  // a cell must not answer in the kernel's place
    }
    ObjectText content;
    content.text("comm_id", output.comm_id);
    if (output.kind == CommKind::open) {
        content.text("target_name", output.target_name);
        if (output.target_module) {
            content.text("target_module", *output.target_module);
        }
    }
    content.raw("data", output.data.text);
    publisher_.publish(message_type(output.kind), origin_of(output.cell).header, content.finish(),
                       std::move(output.metadata.text), std::move(output.buffers));
}

void SessionBridge::on(CellDone done) {
    question_.reset();
    outcome_ = std::move(done.outcome);
    if (std::string note = files_note(*outcome_); !note.empty() && !is_silent_) {
        publish(StreamOutput{done.cell, StreamName::standard_output, std::move(note)});
    }
}

void SessionBridge::on(QueryReply reply) {
    reply_ = std::move(reply);
}

}  // namespace cellblock::kernel
