// One start of a template's sandbox.
//
// Purpose: holds the policy against the template, makes what the command needs (control groups, a folder, a
// bundle), and starts the command under a relay. Ownership: the template, the policy and the options are the
// caller's; all that is made belongs to the sandbox, and is removed if the start fails. Threads: one.
// Failure: an Error; nothing is then left behind.
#pragma once

#include <memory>
#include <string>

#include "sandbox/api/engine.h"
#include "sandbox/engines/host_root.h"
#include "sandbox/engines/promises.h"
#include "sandbox/engines/relayed_sandbox.h"
#include "sandbox/engines/template.h"
#include "sandbox/engines/values.h"
#include "sandbox/jail/identity.h"
#include "sandbox/relay/spec.h"

namespace cellblock::sandbox {

Promises promises_of(const EngineTemplate& from);
RelayedFacts facts_of(const EngineTemplate& from, const jail::Cgroup& cgroup);

class TemplateStart {
public:
    TemplateStart(const EngineTemplate& from, const Policy& policy, const StartOptions& options);
    ~TemplateStart();
    TemplateStart(const TemplateStart&) = delete;
    TemplateStart& operator=(const TemplateStart&) = delete;

    Result<std::unique_ptr<Sandbox>> run();

    // A start without the relay: what the relay has to run, and the control groups that are named there. Both
    // are then the caller's, to be cleared away by relay::serve().
    struct Launch {
        relay::Spec spec;
        jail::Cgroup cgroup;
    };
    Result<Launch> prepare_launch();

private:
    Status prepare();
    Status check_given();
    // Both give the Python's path inside.
    Result<std::string> show_host();
    Result<std::string> show_files();
    Status pack(const std::string& python, bool shows_host);
    void bring_within_reach();
    Status need_folder();
    Status write_own_files();
    Status make_bundle();
    void fill_spec();

    const EngineTemplate& template_;
    const Policy& policy_;
    const StartOptions& options_;
    Promises promises_;
    jail::Cgroup cgroup_;
    jail::Identity identity_;
    Values values_;
    HostRoot root_;
    std::string folder_;
    relay::Spec spec_;
    bool done_ = false;
};

}  // namespace cellblock::sandbox
