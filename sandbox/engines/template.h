// An engine as a template: a JSON file that says which command to run.
//
// Purpose: what README.md here describes, read once and checked. One table
// (template.cc) gives the keys; placeholders are in fill.h.
// Ownership: plain values. Threads: no shared state.
// Failure: an Error that names file and key, and the key that was likely meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sandbox/api/layers.h"
#include "sandbox/api/result.h"

namespace cellblock::sandbox {

// One word of an argv, or several words that are kept, left out or repeated together.
struct Words {
    std::vector<std::string> words;
    bool grouped = false;
};

// A file that is made for each sandbox.
struct TemplateFile {
    std::string name;
    std::string text;          // is filled
    bool is_document = false;  // JSON: its texts are
};

struct EngineTemplate {
    std::string name;
    std::string file;  // where it was read
    std::string text;  // as it was read
    std::string description;
    std::string isolation;              // how strong the wall is, in words
    std::string needs;                  // what must be there, and how to get it
    std::vector<std::string> probe;     // leaves with 0: it is here and works
    std::vector<Words> argv;            // starts a sandbox
    std::vector<std::string> kill;      // ends and removes {name}
    std::vector<std::string> list;      // prints the names of all sandboxes, one a line
    std::vector<std::string> enforces;  // keys of the policy
    std::vector<Layer> layers;
    std::vector<TemplateFile> files;   // in {folder}
    bool private_processes = true;     // nobody else's are in its namespace
    bool children = false;             // they descend from the command
    bool host_files = false;           // its root is made of the host's files, its Python is the host's
    bool bundle = false;               // {bundle} is an OCI bundle
    bool own_user = false;             // no other process is its user's, so the far end can count them
    bool spare_user = false;           // root runs the command as a user that nobody uses
    unsigned extra_processes = 0;      // of the engine's own, which the control group counts too
    std::string image;                 // where the policy names none
    std::vector<std::string> version;  // prints what the image's name stands for at present
};

// The keys that a template may say it enforces.
const std::vector<std::string>& enforceable_keys();

Result<EngineTemplate> parse_template(std::string_view json_text, const std::string& name,
                                      const std::string& file);

// From $XDG_CONFIG_HOME/cellblock/engines, then from the installed folder.
Result<EngineTemplate> load_template(const std::string& name);
// The names of all templates.
std::vector<std::string> template_names();

}  // namespace cellblock::sandbox
