// Figures for people and machines.
#include "sandbox/pool/status.h"

#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

#include "sandbox/api/policy.h"

namespace cellblock::sandbox::pool {

namespace {

using nlohmann::ordered_json;

// Of sorted samples; the nearest rank.
double quantile(const std::vector<double>& samples, double part) {
    if (samples.empty()) {
        return 0;
    }
    return samples[static_cast<std::size_t>(std::lround(part * static_cast<double>(samples.size() - 1)))];
}

ordered_json times(const std::vector<double>& samples) {
    return {{"samples", samples.size()},
            {"median", quantile(samples, 0.5)},
            {"p90", quantile(samples, 0.9)},
            {"p99", quantile(samples, 0.99)}};
}

std::string milliseconds(const ordered_json& seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f ms", seconds.get<double>() * 1e3);
    return text;
}

std::string short_number(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", number);
    return text;
}

std::string words_of(const ordered_json& zygote) {
    std::string text = zygote["program"].get<std::string>();
    std::string preload;
    for (const auto& name : zygote["preload"]) {
        preload += (preload.empty() ? ", preload " : " ") + name.get<std::string>();
    }
    text += preload + ": ";
    const int number = zygote["process"].get<int>();
    const std::string process = number > 0 ? " (process " + std::to_string(number) + ")" : "";
    const std::string state = zygote["state"];
    if (state == "starting") {
        return text + "starting" + process;
    }
    if (state == "ready") {
        return text + "ready after " + short_number(zygote["start_seconds"].get<double>()) + " s" + process +
               ", " + std::to_string(zygote["forks"].get<std::uint64_t>()) + " forks, " +
               format_size(zygote["memory_bytes"].get<std::uint64_t>()) + " shared";
    }
    const auto left = std::lround(zygote.value("retry_seconds", 0.0));
    return text + (state == "refused" ? "not to be had: " : "gone: ") + zygote["reason"].get<std::string>() +
           (left > 0 ? "; tried again in " + std::to_string(left) + " s at the earliest (failed " +
                           std::to_string(zygote.value("failures", 0)) + " times in a row)"
                     : "");
}

// One family of metrics: what it is, then its samples of each daemon.
class Family {
public:
    Family(std::ostringstream& out, std::string name, const char* kind, const char* help)
        : out_(out), name_(std::move(name)) {
        out_ << "# TYPE " << name_ << " " << kind << "\n# HELP " << name_ << " " << help << "\n";
    }
    void add(const std::string& suffix, const std::string& labels, const ordered_json& value) {
        out_ << name_ << suffix << "{" << labels << "} " << value.dump() << "\n";
    }

private:
    std::ostringstream& out_;
    std::string name_;
};

std::string label(const char* name, const std::string& value) {
    std::string text = std::string(name) + "=\"";
    for (const char letter : value) {
        text += letter == '"' || letter == '\\' ? std::string("\\") + letter
                : letter == '\n'                ? std::string("\\n")
                                                : std::string(1, letter);
    }
    return text + "\"";
}

std::string of(const ordered_json& one) {
    return label("process", std::to_string(one["process"].get<int>()));
}

// By engine, what is made ahead and what sessions have.
ordered_json engines_json(const DaemonStatus& status) {
    std::map<std::string, ordered_json> all;
    const auto add = [&](const std::string& engine, const Pool::Count& count,
                         const Accounting::Figures::OfEngine& of_engine) {
        all[engine] = {{"ready", count.ready},       {"under_way", count.starting},
                       {"target", count.target},     {"waiting", count.waiting},
                       {"living", of_engine.living}, {"start_seconds", times(of_engine.starts)}};
    };
    for (const auto& [engine, of_engine] : status.sandboxes.engines) {
        add(engine, {}, of_engine);
    }
    for (const auto& [engine, count] : status.pool.engines) {
        const auto found = status.sandboxes.engines.find(engine);
        add(engine, count,
            found == status.sandboxes.engines.end() ? Accounting::Figures::OfEngine{} : found->second);
    }
    return all;
}

}  // namespace

ordered_json status_json(const DaemonStatus& status) {
    const auto& sandboxes = status.sandboxes;
    ordered_json ends = ordered_json::object();
    for (std::size_t i = 0; i < kEnds; ++i) {
        ends[name_of(static_cast<End>(i))] = sandboxes.ends[i];
    }
    ordered_json zygotes = ordered_json::array();
    for (const auto& one : status.zygotes) {
        zygotes.push_back({{"program", one.program},
                           {"preload", one.preload},
                           {"state", one.state},
                           {"reason", one.reason},
                           {"failures", one.failures},
                           {"retry_seconds", one.retry_seconds},
                           {"process", one.process},
                           {"start_seconds", one.start_seconds},
                           {"forks", one.forks},
                           {"memory_bytes", one.memory_bytes}});
    }
    return {{"process", status.process},
            {"uptime_seconds", status.uptime_seconds},
            {"idle", {{"memory_bytes", status.kept_bytes}, {"leaves_in_seconds", status.leaves_in_seconds}}},
            {"zygotes", zygotes},
            {"pool",
             {{"ready", status.pool.ready},
              {"under_way", status.pool.starting},
              {"target", status.pool.target},
              {"waiting", status.pool.waiting},
              {"memory_bytes", sandboxes.spare_bytes},
              {"start_seconds", times(sandboxes.starts)}}},
            {"engines", engines_json(status)},
            {"sandboxes",
             {{"living", sandboxes.living},
              {"most", status.settings.sandboxes},
              {"memory_bytes", sandboxes.memory_bytes},
              {"most_memory_bytes", status.settings.memory_bytes},
              {"ends", ends}}},
            {"claims",
             {{"given", sandboxes.given},
              {"from_pool", sandboxes.from_pool},
              {"refused", sandboxes.refused},
              {"per_second", sandboxes.per_second},
              {"seconds", times(sandboxes.waits)}}}};
}

std::string in_words(const ordered_json& status) {
    const auto& sandboxes = status["sandboxes"];
    const auto& claims = status["claims"];
    const auto& pool = status["pool"];
    std::ostringstream out;
    out << "process " << status["process"] << ", up "
        << static_cast<long>(status["uptime_seconds"].get<double>()) << " s\n";
    const double leaves = status["idle"]["leaves_in_seconds"];
    out << "  keeps " << format_size(status["idle"]["memory_bytes"].get<std::uint64_t>())
        << " of memory for sessions to come; leaves "
        << (leaves < 0 ? "some time after the last session"
                       : "in " + std::to_string(std::lround(leaves / 60)) + " min, if there is none")
        << "\n";
    for (const auto& zygote : status["zygotes"]) {
        out << "  warm: " << words_of(zygote) << "\n";
    }
    out << "  pool: " << pool["ready"] << " of " << pool["target"] << " ready, " << pool["under_way"]
        << " under way; up in " << milliseconds(pool["start_seconds"]["median"]) << " (median)\n"
        << "  sandboxes: " << sandboxes["living"] << " of at most " << sandboxes["most"] << ", with "
        << format_size(sandboxes["memory_bytes"].get<std::uint64_t>()) << " of at most "
        << format_size(sandboxes["most_memory_bytes"].get<std::uint64_t>()) << " of memory\n"
        << "  claims: " << claims["given"] << " given, " << claims["from_pool"] << " of them from the pool, "
        << short_number(claims["per_second"].get<double>()) << " a second; after "
        << milliseconds(claims["seconds"]["median"]) << " (median), "
        << milliseconds(claims["seconds"]["p99"]) << " (99th percentile); " << claims["refused"]
        << " refused\n";
    for (const auto& [engine, count] : status["engines"].items()) {
        out << "  engine " << engine << ": " << count["ready"] << " of " << count["target"] << " ready, "
            << count["under_way"] << " under way, " << count["living"] << " with sessions; up in "
            << milliseconds(count["start_seconds"]["median"]) << " (median)\n";
    }
    std::string ends;
    for (const auto& [name, count] : sandboxes["ends"].items()) {
        if (count != 0) {
            ends += (ends.empty() ? "" : ", ") + std::to_string(count.get<std::uint64_t>()) + " " + name;
        }
    }
    out << "  ended: " << (ends.empty() ? "none" : ends) << "\n";
    return out.str();
}

std::string open_metrics(const std::vector<ordered_json>& all) {
    std::ostringstream out;
    const auto plain = [&](const char* name, const char* kind, const char* help, const char* group,
                           const char* key) {
        Family family(out, std::string("cellblock_") + name, kind, help);
        for (const auto& one : all) {
            family.add(std::string(kind) == "counter" ? "_total" : "", of(one), one[group][key]);
        }
    };
    plain("sandboxes", "gauge", "Sandboxes that sessions have.", "sandboxes", "living");
    plain("sandboxes_limit", "gauge", "The most that there may be.", "sandboxes", "most");
    plain("memory_bytes", "gauge", "What sandboxes have to themselves.", "sandboxes", "memory_bytes");
    plain("memory_limit_bytes", "gauge", "The most that they may have.", "sandboxes", "most_memory_bytes");
    plain("spares", "gauge", "Sandboxes that are ready for a session.", "pool", "ready");
    plain("spares_memory_bytes", "gauge", "What these have, as far as it is known: of engines but native.",
          "pool", "memory_bytes");
    plain("spares_target", "gauge", "How many are wanted.", "pool", "target");
    plain("claims", "counter", "Sandboxes that were given.", "claims", "given");
    plain("claims_from_pool", "counter", "Those that were ready when they were asked for.", "claims",
          "from_pool");
    plain("claims_refused", "counter", "Claims beyond the limits.", "claims", "refused");
    for (const auto& [name, group, key, help] :
         {std::tuple("claim_seconds", "claims", "seconds", "From a claim to its sandbox."),
          std::tuple("start_seconds", "pool", "start_seconds", "From an order to a worker that is up.")}) {
        Family family(out, std::string("cellblock_") + name, "summary", help);
        for (const auto& one : all) {
            for (const auto& [part, quantile] :
                 {std::pair("median", "0.5"), std::pair("p90", "0.9"), std::pair("p99", "0.99")}) {
                family.add("", of(one) + "," + label("quantile", quantile), one[group][key][part]);
            }
        }
    }
    for (const auto& [name, key, help] :
         {std::tuple("engine_sandboxes", "living", "Sandboxes that sessions have, by engine."),
          std::tuple("engine_spares", "ready", "Sandboxes that are ready for a session, by engine."),
          std::tuple("engine_spares_target", "target", "How many are wanted, by engine.")}) {
        Family family(out, std::string("cellblock_") + name, "gauge", help);
        for (const auto& one : all) {
            for (const auto& [engine, count] : one["engines"].items()) {
                family.add("", of(one) + "," + label("engine", engine), count[key]);
            }
        }
    }
    {
        Family family(out, "cellblock_sandbox_ends", "counter", "Sandboxes that ended, by reason.");
        for (const auto& one : all) {
            for (const auto& [name, count] : one["sandboxes"]["ends"].items()) {
                family.add("_total", of(one) + "," + label("reason", name), count);
            }
        }
    }
    Family family(out, "cellblock_zygote_memory_bytes", "gauge",
                  "What a warm Python shares with its sandboxes.");
    for (const auto& one : all) {
        for (const auto& zygote : one["zygotes"]) {
            family.add("",
                       of(one) + "," + label("program", zygote["program"]) + "," +
                           label("zygote", std::to_string(zygote["process"].get<int>())) + "," +
                           label("state", zygote["state"]),
                       zygote["memory_bytes"]);
        }
    }
    out << "# EOF\n";
    return out.str();
}

}  // namespace cellblock::sandbox::pool
