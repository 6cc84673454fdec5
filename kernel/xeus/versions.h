// The differences between the releases of xeus: 2.4.1 (Debian 12), 5.1 (Debian 13), and 6.0.
//
//   - execute_request_impl returns the reply in xeus 2 and hands it to a callback since xeus 5. In both, an
//     exception is caught by the core, which then sends no reply, and since xeus 5 no `idle` either.
//   - make_context moved into a library of its own with xeus 4; xcontext_impl is the same in all.
//   - xconfiguration became a variant in xeus 6; the server is asked for an xkernel_configuration.
//   - shutdown_request_impl gets an argument and gives a reply since xeus 6; interrupt_request_impl is new
//   there.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <xeus/xeus_context.hpp>
#include <xeus/xinterpreter.hpp>
#include <xeus/xkernel_configuration.hpp>

#if XEUS_VERSION_MAJOR == 3 || XEUS_VERSION_MAJOR == 4
#error "xeus 3 and 4 aren't supported: no Debian release has them. Use 2.4.1, or 5.1 and later."
#endif

namespace cellblock::kernel {

#if XEUS_VERSION_MAJOR >= 6
using XeusConfiguration = xeus::xkernel_configuration;
#else
using XeusConfiguration = xeus::xconfiguration;
#endif

template <class T>
std::unique_ptr<xeus::xcontext> make_xeus_context(T value) {
    return std::make_unique<xeus::xcontext_impl<T>>(std::move(value));
}

// An interpreter with the functions that every release has. Derive from it and define execute() and
// kernel_info_request_impl(); nothing else is asked of it, because our dispatcher answers all other requests.
class XeusInterpreterBase : public xeus::xinterpreter {
protected:
    // Runs the current cell and gives the reply to the core.
    virtual nl::json execute() = 0;

private:
    void configure_impl() override {}
    nl::json complete_request_impl(const std::string&, int) override { return nl::json::object(); }
    nl::json inspect_request_impl(const std::string&, int, int) override { return nl::json::object(); }
    nl::json is_complete_request_impl(const std::string&) override { return nl::json::object(); }

#if XEUS_VERSION_MAJOR >= 5
    void execute_request_impl(send_reply_callback reply, int, const std::string&,
                              xeus::execute_request_config, nl::json) override {
        reply(execute());
    }
#else
    nl::json execute_request_impl(int, const std::string&, bool, bool, nl::json, bool) override {
        return execute();
    }
#endif

#if XEUS_VERSION_MAJOR >= 6
    nl::json shutdown_request_impl(bool) override {
        return {{ "status", "ok" }};
    }
    nl::json interrupt_request_impl() override {
        return {{ "status", "ok" }};
    }
#else
    void shutdown_request_impl() override {}
#endif
};

}  // namespace cellblock::kernel
