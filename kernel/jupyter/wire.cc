#include "kernel/jupyter/wire.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cctype>

#include "sandbox/base/json_text.h"
#include "sandbox/base/text.h"

namespace cellblock::kernel {

using nlohmann::json;
using sandbox::Error;
using sandbox::Result;

namespace {

constexpr std::size_t kSignatureAndParts = 5;
constexpr std::string_view kHmac = "hmac-";

Error dropped(std::string why) {
    return Error{"message dropped", 0, std::move(why), {}};
}

// Parses a part that must be a JSON object; null and an empty part count as the empty object.
Result<json> object_part(const std::string& text, const char* name, std::size_t max_bytes) {
    if (text.size() > max_bytes) {
        return dropped(std::string(name) + " is too large");
    }
    if (!sandbox::json_depth_within(text, kMaxDepth)) {
        return dropped(std::string(name) + " is nested too deeply");
    }
    json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
        return dropped(std::string(name) + " is not JSON");
    }
    if (value.is_null()) {
        return json::object();
    }
    return value;
}

bool is_text(const json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() && !found->get_ref<const std::string&>().empty();
}

}  // namespace

std::size_t Message::bytes() const {
    std::size_t sum = header_text.size() + metadata_text.size() + content_text.size();
    for (const auto& buffer : buffers) {
        sum += buffer.size();
    }
    return sum;
}

Result<Signer> Signer::create(const std::string& scheme, const std::string& key) {
    Signer signer;
    const std::string digest = scheme.starts_with(kHmac) ? scheme.substr(kHmac.size()) : "";
    EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* context = algorithm == nullptr ? nullptr : EVP_MAC_CTX_new(algorithm);
    EVP_MAC_free(algorithm);
    const std::shared_ptr<void> keyed(context,
                                      [](void* one) { EVP_MAC_CTX_free(static_cast<EVP_MAC_CTX*>(one)); });
    std::string name = digest;
    const std::array<OSSL_PARAM, 2> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0), OSSL_PARAM_construct_end()};
    // Without a key nothing is signed, but a scheme that isn't known is still an error.
    const std::string any_key = key.empty() ? "-" : key;
    if (digest.empty() || context == nullptr ||
        EVP_MAC_init(context, reinterpret_cast<const unsigned char*>(any_key.data()), any_key.size(),
                     parameters.data()) != 1) {
        return Error{"signature_scheme \"" + scheme + "\"", 0, "is not known",
                     "hmac-sha256 is what Jupyter uses; OpenSSL's other digests work as hmac-NAME"};
    }
    if (!key.empty()) {
        signer.keyed_ = keyed;
    }
    return signer;
}

std::string Signer::sign(const std::array<std::string_view, 4>& parts) const {
    if (!keyed_) {
        return {};
    }
    const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(
        EVP_MAC_CTX_dup(static_cast<EVP_MAC_CTX*>(keyed_.get())), &EVP_MAC_CTX_free);
    for (const auto part : parts) {
        EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(part.data()), part.size());
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    std::size_t size = 0;
    EVP_MAC_final(context.get(), digest.data(), &size, digest.size());
    return sandbox::hex({reinterpret_cast<const char*>(digest.data()), size});
}

bool Wire::is_new(std::string signature) {
    if (!seen_.insert(signature).second) {
        return false;
    }
    seen_order_.push_back(std::move(signature));
    if (seen_order_.size() > kRememberedSignatures) {
        seen_.erase(seen_order_.front());
        seen_order_.pop_front();
    }
    return true;
}

Result<Message> Wire::parse(Frames frames) {
    const auto delimiter = std::find(frames.begin(), frames.end(), kDelimiter);
    if (delimiter == frames.end()) {
        return dropped("it has no delimiter");
    }
    const auto at = static_cast<std::size_t>(delimiter - frames.begin());
    if (frames.size() - at - 1 < kSignatureAndParts) {
        return dropped("it has too few frames");
    }
    std::size_t bytes = 0;
    for (const auto& frame : frames) {
        bytes += frame.size();
    }
    if (bytes > kMaxMessageBytes) {
        return dropped("it is larger than 128 MiB");
    }
    std::string* const parts = &frames[at + 2];
    if (signer_.authenticates()) {
        const std::string& given = frames[at + 1];
        std::string right = signer_.sign({parts[0], parts[1], parts[2], parts[3]});
        if (given.size() != right.size() || CRYPTO_memcmp(given.data(), right.data(), right.size()) != 0) {
            return dropped("its signature is wrong");
        }
        if (!is_new(std::move(right))) {
            return dropped("it was sent before (the same signature)");
        }
    }
    Message message;
    json metadata;
    for (auto [part, name, limit, target] :
         {std::tuple{0, "the header", kMaxHeaderBytes, &message.header},
          std::tuple{1, "the parent header", kMaxHeaderBytes, &message.parent_header},
          std::tuple{2, "the metadata", kMaxPartBytes, &metadata},
          std::tuple{3, "the content", kMaxPartBytes, &message.content}}) {
        CELLBLOCK_ASSIGN_OR_RETURN(*target, object_part(parts[part], name, limit));
    }
    if (!message.header.is_object() || !is_text(message.header, "msg_id") ||
        !is_text(message.header, "msg_type")) {
        return dropped("its header has no msg_id and msg_type");
    }
    if (!message.parent_header.is_object()) {
        message.parent_header = json::object();
    }
    message.header_text = std::move(parts[0]);
    message.metadata_text = metadata.is_object() && !metadata.empty() ? std::move(parts[2]) : "{}";
    message.content_text = std::move(parts[3]);
    if (!message.content.is_object() || message.content.empty()) {  // answered as content without its fields
        message.content = json::object();
        message.content_text = "{}";
    }
    message.buffers.assign(std::make_move_iterator(frames.begin() + static_cast<std::ptrdiff_t>(at + 6)),
                           std::make_move_iterator(frames.end()));
    frames.resize(at);
    message.identities = std::move(frames);
    return message;
}

Frames Wire::serialise(Outgoing message) const {
    Frames frames = std::move(message.identities);
    frames.reserve(frames.size() + 6 + message.buffers.size());
    frames.emplace_back(kDelimiter);
    frames.push_back(
        signer_.sign({message.header, message.parent_header, message.metadata, message.content}));
    for (auto* part : {&message.header, &message.parent_header, &message.metadata, &message.content}) {
        frames.push_back(std::move(*part));
    }
    for (auto& buffer : message.buffers) {
        frames.push_back(std::move(buffer));
    }
    return frames;
}

}  // namespace cellblock::kernel
