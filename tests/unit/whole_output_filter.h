// An output's whole way through the output filter and the cleaner's rules, at once.
#pragma once

#include "sandbox/outputs/output_filter.h"
#include "tests/unit/inner_cleaner.h"

namespace cellblock::testing {

class WholeOutputFilter : public sandbox::OutputFilter {
public:
    explicit WholeOutputFilter(const sandbox::Policy& policy)
        : OutputFilter(policy), cleaner_(cleaner_within(policy.outputs)) {}

    using OutputFilter::admit;
    std::vector<sandbox::Event> admit(sandbox::DisplayOutput event) { return whole(std::move(event)); }
    std::vector<sandbox::Event> admit(sandbox::CommOutput event) { return whole(std::move(event)); }

    void opened_by_client(const std::string& comm, const std::string& target) {
        (void)clean({sandbox::CleaningTask::Kind::client_comm, comm, target, {}});
    }
    void forget_comms() { cleaner_->stop(); }

    sandbox::RawJson admit_reply(sandbox::RawJson content) {
        return only(clean({sandbox::CleaningTask::Kind::reply, {}, {}, {{"content", std::move(content)}}}));
    }
    sandbox::RawJson admit_debug(sandbox::RawJson content) {
        return only(clean({sandbox::CleaningTask::Kind::debug, {}, {}, {{"content", std::move(content)}}}));
    }
    sandbox::RawJson admit_expressions(sandbox::RawJson expressions) {
        sandbox::RawJson payload{"[]"};
        end(expressions, payload);
        return expressions;
    }
    sandbox::RawJson admit_payload(sandbox::RawJson payload) {
        sandbox::RawJson expressions;
        end(expressions, payload);
        return payload;
    }

private:
    sandbox::Result<sandbox::Cleaned> clean(const sandbox::CleaningTask& task) {
        cleaner_->begin(task);
        return *cleaner_->take();
    }
    static sandbox::RawJson only(const sandbox::Result<sandbox::Cleaned>& cleaned) {
        return std::get<sandbox::RawJson>(cleaned->parts.at(0).value);
    }
    void end(sandbox::RawJson& expressions, sandbox::RawJson& payload) {
        if (auto begun = begin(1, expressions, payload); begun.task) {
            finish(1, expressions, payload, clean(*begun.task));
        }
    }
    template <class Output>
    std::vector<sandbox::Event> whole(Output event) {
        auto begun = begin(event);
        if (begun.task) {
            return finish(std::move(event), begun.cost, clean(*begun.task));
        }
        return std::move(begun.events);
    }

    std::unique_ptr<sandbox::Cleaner> cleaner_;
};

}  // namespace cellblock::testing
