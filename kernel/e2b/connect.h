// The Connect protocol in JSON, as E2B's clients speak it: messages in envelopes, and errors by name.
//
// Purpose: a unary call is a JSON object in a request's body; a stream is a row of envelopes, each a byte of
// flags, four bytes of length (the highest first) and JSON (https://connectrpc.com/docs/protocol). Plain
// functions.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/http/message.h"

namespace cellblock::kernel {

// Errors in this protocol: a name ("not_found") and words for people.
struct RpcError {
    std::string code;
    std::string message;
};

// One message of a stream.
std::string envelope(const std::string& json);
// A stream's end; with an error where it failed.
std::string last_envelope(const std::optional<RpcError>& error = {});
// The length that the first envelope of a body will have, its head included; 0: too little of it is there.
std::uint64_t envelope_size(std::string_view body);
// The JSON of the first envelope of a request's body; nullopt: there is none that is whole and uncompressed.
std::optional<std::string_view> first_envelope(std::string_view body);
// Takes the first envelope off a body, and gives its JSON as first_envelope() does.
std::optional<std::string_view> take_envelope(std::string_view& body);

// Answers a unary call.
void answer_call(HttpReply& reply, const nlohmann::json& message);
void refuse_call(HttpReply& reply, const RpcError& error);
// Answers a stream of requests, whose reply is one message.
void answer_stream(HttpReply& reply, const nlohmann::json& message);
// A stream that fails before it begins.
void refuse_stream(HttpReply& reply, const RpcError& error);

// The error of this protocol for an errno of the sandbox's.
RpcError rpc_error(int code, const std::string& message);

// Errors outside of these calls, as the rest of E2B's API writes them: {"code": status, "message": why}.
void refuse(HttpReply& reply, int status, const std::string& why);

// The text that an object has under that name; empty: there is none.
std::string text_of(const nlohmann::json& object, const char* name);

// `value` as text; what is no UTF-8 in it is replaced.
std::string dumped(const nlohmann::json& value);

}  // namespace cellblock::kernel
