// The output filter's rules, one by one. What a browser makes of them is told by tests/page.
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "sandbox/base/base64.h"
#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/comms.h"
#include "sandbox/outputs/css.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/html.h"
#include "sandbox/outputs/image.h"
#include "sandbox/outputs/latex.h"
#include "sandbox/outputs/markdown.h"
#include "sandbox/outputs/plain_items.h"
#include "sandbox/outputs/replies.h"
#include "sandbox/outputs/svg.h"
#include "sandbox/outputs/terminal_text.h"
#include "sandbox/outputs/tidy.h"
#include "tests/unit/catch.h"
#include "tests/unit/whole_output_filter.h"

using namespace cellblock::sandbox;
using cellblock::testing::WholeOutputFilter;
using namespace std::literals;
using cellblock::tests::Contains;
using nlohmann::json;

namespace {

OutputRules rules(const std::string& outputs = "{}") {
    return parse_policy(R"({"outputs": )" + outputs + "}", "p").value().outputs;
}

std::string png(std::uint32_t width, std::uint32_t height) {
    std::string out = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"s;
    for (const auto number : {width, height}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            out += static_cast<char>(number >> shift & 0xffU);
        }
    }
    return out + "\x08\x06\0\0\0\0\0\0\0"s;
}

CommOutput widget(const std::string& id, const json& state, CommKind kind = CommKind::open) {
    CommOutput out;
    out.kind = kind;
    out.comm_id = id;
    out.target_name = "jupyter.widget";
    out.target_module = "evil.js";
    out.data.text = json{{"state", state}, {"method", "update"}}.dump();
    return out;
}

json state_of(const CommOutput& message) {
    return json::parse(message.data.text)["state"];
}

const json kModel{{"_model_module", "@jupyter-widgets/controls"},
                  {"_view_module", "@jupyter-widgets/controls"}};

json model(const char* name, const json& more) {
    json out = kModel;
    out["_model_name"] = name;
    out.update(more);
    return out;
}

}  // namespace

TEST_CASE("terminal text: colours and plain text stay to the letter") {
    for (const char* text : {"plain", "a\nb\tc\rd\b", "\x1b[31mred\x1b[0m", "\x1b[1;38;5;208mx\x1b[m",
                             "\x1b[K", "é ü 😀 — ✓ █ ─", "", "\x1b[38:2::1:2:3mx"}) {
        CHECK(terminal_text(text) == text);
    }
}

TEST_CASE("terminal text: what isn't a colour is gone") {
    const std::pair<std::string, std::string> cases[] = {
        {"a\x1b]0;title\x07z", "az"},
        {"a\x1b]52;c;aGk=\x1b\\z", "az"},
        {"a\x1bP+q544e\x1b\\z", "az"},
        {"a\x1b_apc\x1b\\z", "az"},
        {"a\x1b[2Jz", "az"},
        {"a\x1b[10Az", "az"},
        {"a\x1b[6nz", "az"},
        {"a\x1b[?1049hz", "az"},
        {"a\x1b[>4;2mz", "az"},
        {"a\x1b[2Kz", "a\x1b[2Kz"},
        {"a\x1b[12Kz", "az"},
        {"a\x1b"
         "cz",
         "az"},
        {"a\x1b(0z", "az"},
        {"a\x07\x0c\x0b\x01\x7fz", "az"},
        {"a\x00z"s, "az"},
        {"a\xc2\x9b"
         "31mz",
         "a31mz"},
        {"a\xc2\x9d"
         "0;x\xc2\x9cz",
         "a0;xz"},
        {"a\xe2\x80\xae"
         "z",
         "az"},
        {"a\xe2\x81\xa7"
         "z",
         "az"},
        {"a\x1b[31\nz", "a\nz"},
        {"a\x1b]0;never\nz", "a\nz"},
        {"a\x1b", "a"},
    };
    for (const auto& [given, wanted] : cases) {
        INFO(given);
        CHECK(terminal_text(given) == wanted);
    }
    CHECK(terminal_text("a\x1b[" + std::string(1000, '1') + "mz").find('\x1b') == std::string::npos);
    CHECK(terminal_text("a\x1b]" + std::string(10000, 'x') + "z").back() == 'z');
}

TEST_CASE("terminal text: cut anywhere, the pieces give the same") {
    const std::string text = "a\x1b[31mr\x1b]0;t\x07é\xe2\x80\xae✓\x1b[2Jz\xc2\x9bx";
    const std::string whole = terminal_text(text);
    for (std::size_t i = 0; i <= text.size(); ++i) {
        TerminalTextFilter filter;
        const std::string first = filter.filter(text.substr(0, i));
        CHECK(first + filter.filter(text.substr(i)) == whole);
    }
    TerminalTextFilter filter;
    std::string out;
    for (const char c : text) {
        out += filter.filter(std::string(1, c));
    }
    CHECK(out == whole);
}

TEST_CASE("an image is what it says, and not too large") {
    CHECK(is_image("image/png", png(10, 20)));
    CHECK(image_size("image/png", png(10, 20))->height == 20);
    CHECK_FALSE(is_image("image/png", png(100'000, 100'000)));
    CHECK_FALSE(is_image("image/png", png(0, 1)));
    CHECK_FALSE(is_image("image/png", "<svg onload=alert(1)>"));
    CHECK_FALSE(is_image("image/jpeg", png(1, 1)));
    CHECK(is_image("image/gif", "GIF89a\x01\0\x02\0\0\0\0"s));
    CHECK(is_image("image/jpeg", "\xff\xd8\xff\xe0\0\x04xx\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0"s));
    CHECK_FALSE(is_image("image/jpeg", "\xff\xd8\xff\xe0\0\x00"s));
    CHECK_FALSE(is_image("image/jpeg", "\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff"s));
    CHECK(is_image("image/webp", "RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x09\0\0\x09\0\0"s));
    CHECK_FALSE(is_image("image/svg+xml", "<svg/>"));
}

TEST_CASE("data: URLs are of images that are images") {
    CHECK_FALSE(inert_image_url("data:image/png;base64,PHN2Zz4=").has_value());
    CHECK_FALSE(inert_image_url("data:image/svg+xml;base64,PHN2Zz4=").has_value());
    CHECK_FALSE(inert_image_url("data:text/html,<script>").has_value());
    CHECK_FALSE(inert_image_url("http://a/b.png").has_value());
    CHECK(
        inert_image_url("data:image/"
                        "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+"
                        "M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="));
    CHECK(decode_base64("aGk=") == "hi");
    CHECK(decode_base64("aG\nk=") == "hi");
    CHECK_FALSE(decode_base64("aG=k").has_value());
    CHECK_FALSE(decode_base64("a<b").has_value());
}

TEST_CASE("css: declarations by allowlist") {
    const std::pair<const char*, const char*> cases[] = {
        {"color: red", "color:red"},
        {"COLOR:RED;;", "color:RED"},
        {"color:red;position:fixed;width:3px", "color:red;width:3px"},
        {"background:url(http://a)", ""},
        {"background:u\\72l(http://a)", ""},
        {"fill:url(#a)", "fill:url(#cb-a)"},
        {"fill:url('#a b')", ""},
        {"width:calc(100% - 3px)", "width:calc(100% - 3px)"},
        {"width:expression(1)", ""},
        {"margin:-3px", ""},
        {"margin:calc(0px - 3px)", ""},
        {"margin:3px auto", "margin:3px auto"},
        {"color:red/*;*/;width:1px", "color:red;width:1px"},
        {"font-family:'a b', \"c\"", "font-family:'a b', \"c\""},
        {"font-family:'a", ""},
        {"color:red</style>", ""},
        {"color:red !important", "color:red !important"},
        {"color:red !ie", ""},
        {"--a:1px;width:var(--a)", "--a:1px;width:var(--a)"},
        {"--a:url(http://b)", ""},
        {"content:attr(title)", ""},
        {"color:(", ""},
        {"z-index:9;transform:none;box-shadow:none;outline:none", ""},
    };
    for (const auto& [given, wanted] : cases) {
        INFO(given);
        CHECK(inert_declarations(given) == wanted);
    }
}

TEST_CASE("css: every rule is bound to its output, and names have a prefix") {
    const auto sheet = [](const char* css) { return inert_stylesheet(css, ".s"); };
    CHECK(sheet("a{color:red}") == ".s a{color:red}\n");
    CHECK(sheet(".x, #y > td:nth-child(2n+1){color:red}") ==
          ".s .cb-x,.s #cb-y > td:nth-child(2n+1){color:red}\n");
    CHECK(sheet("*{color:red}") == ".s *{color:red}\n");
    CHECK(sheet("a:not(.x){color:red}") == ".s a:not(.cb-x){color:red}\n");
    CHECK(sheet("@media (max-width: 3px){a{color:red}}") == "@media (max-width: 3px){.s a{color:red}\n}\n");
    for (const char* css : {"~ a{color:red}",
                            "> a{color:red}",
                            "a[data-command]{color:red}",
                            "a:has(b){color:red}",
                            "a{position:fixed}",
                            "@import 'x';",
                            "@font-face{src:url(x)}",
                            "@supports(a:b){a{color:red}}",
                            "a{color:red",
                            "a{b{color:red}}",
                            "}",
                            "a",
                            "",
                            "@",
                            "@media",
                            "{",
                            ":not(:has(a)){color:red}",
                            "a:not(b{color:red}",
                            "a){color:red}",
                            "\\61{color:red}"}) {
        INFO(css);
        CHECK(sheet(css).empty());
    }
}

TEST_CASE("css: selectors that ask for attributes, with the elements' names prefixed") {
    const std::pair<const char*, const char*> cases[] = {
        {"[open]", "[open]"},
        {"details[open] > p", "details[open] > p"},
        {"input[type=checkbox]:checked ~ div", "input[type=\"checkbox\"]:checked ~ div"},
        {"[id='a']", "[id=\"cb-a\"]"},
        {"[class^=col_]", "[class^=\"cb-col_\"]"},
        {"[class$=_heading]", "[class$=\"_heading\"]"},
        {"label[ for = \"x\" ]", "label[for=\"cb-x\"]"},
        {"a:not([href])", "a:not([href])"},
    };
    for (const auto& [given, wanted] : cases) {
        INFO(given);
        CHECK(inert_stylesheet(std::string(given) + "{color:red}", ".s") ==
              ".s " + std::string(wanted) + "{color:red}\n");
    }
    for (const char* wrong :
         {"[", "[]", "[=x]", "[open", "[open=]", "[id==x]", "[id=a b]", "[id=\"a\" i]x[", "[style]",
          "[onclick]", "[data-x]", "[id='a]", "[type=\"a\"b\"]", "[type=a(b)]"}) {
        INFO(wrong);
        CHECK(inert_stylesheet(std::string(wrong) + "{color:red}", ".s").empty());
    }
}

TEST_CASE("css: what is placed stays within its root, and of the root itself only words are told") {
    const auto within = [](const char* css) { return inert_stylesheet(css, ".s", Placing::within_root); };
    CHECK(within("a{position:absolute;top:-1px;z-index:9}") ==
          ".s a{position:absolute;top:-1px;z-index:9}\n");
    CHECK(inert_stylesheet("a{position:absolute;top:0;z-index:9}", ".s").empty());
    for (const char* css :
         {"a{position:fixed}", "a{position:FIXED}", "a{position:var(--x)}", "a{position:fixed !important}",
          "a{position:-webkit-sticky}", "a{margin-top:-9px}", "a{contain:none}", ":root{position:absolute}",
          "body{display:inline}", "html{display:contents !important}", ":root{overflow:visible}",
          "body{margin:9px}", ":host{transform:none}"}) {
        INFO(css);
        const std::string out = within(css);
        CHECK((out.empty() || out.starts_with(".s{") == false));
        CHECK(out.find("position") == std::string::npos);
        CHECK(out.empty());
    }
    CHECK(within(":root, .x{--a:1px;color:red;display:none}") ==
          ".s{--a:1px;color:red}\n.s .cb-x{--a:1px;color:red;display:none}\n");
    CHECK(within("@media (prefers-color-scheme: dark){html{color:red}}") ==
          "@media (prefers-color-scheme: dark){.s{color:red}\n}\n");
}

TEST_CASE("html: boxes to tick are all that is left of forms") {
    CHECK(
        inert_html(
            "<form action=x><input type=checkbox id=a name=n form=f checked autofocus onclick=x formaction=y "
            "value=v><label for=a class=b>t</label></form>") ==
        R"(<input type="checkbox" id="cb-a" name="cb-n" checked="" value="v"><label for="cb-a" class="cb-b">t</label>)");
    CHECK(inert_html("<input type=RADIO name=n>") == R"(<input type="RADIO" name="cb-n">)");
    for (const char* type :
         {"text", "password", "submit", "image src=x", "file", "hidden", "checkbox2", ""}) {
        INFO(type);
        CHECK(inert_html("<input type=" + std::string(type) + ">").empty());
    }
    CHECK(inert_html("<input type=text type=checkbox>").empty());
    CHECK(inert_html("<button type=submit>b</button><input>") == "b");
    CHECK(inert_html("<div hidden aria-controls='a b' role=dialog data-commandlinker-command=x>t</div>") ==
          R"(<div hidden="" aria-controls="cb-a cb-b">t</div>)");
    CHECK(inert_html("<div class='sk-top-container sk-global'></div>") ==
          R"(<div class="cb-sk-top-container cb-sk-global cb-light"></div>)");
}

TEST_CASE("html: what is let through reads back to the same") {
    for (const char* html : {"<b>x</b>", "a &lt; b", "<img src=x onerror=y>", "<svg><path d='M0 0'/></svg>",
                             "<style>a{color:red}</style><p style='color:red'>x</p>", "<table><tr><td>x"}) {
        INFO(html);
        const std::string once = inert_html(html);
        CHECK(once.find("onerror") == std::string::npos);
        const std::string twice = inert_html(once);
        CHECK(inert_html(twice).size() <= twice.size() + 200);
    }
}

TEST_CASE("html: depth and size end") {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) {
        deep += "<div>";
    }
    CHECK(inert_html(deep + "x").size() < 10'000);
    CHECK(inert_html(std::string(1'000'000, '<')).size() < 5'000'000);
    CHECK(inert_html("\xff\xfe").size() < 100);
    CHECK(inert_html("").empty());
}

TEST_CASE("html: what a parser would pay dearly for is bounded, and real pages are as they were") {
    std::string attributes = "<p ";
    for (int i = 0; i < 1000; ++i) {
        attributes += "a" + std::to_string(i) + "=1 ";
    }
    CHECK(inert_html(attributes + "title=t>x</p>") == "<p>x</p>");
    std::string rows;
    for (std::size_t i = 0; i < kMostElements; ++i) {
        rows += "<b>1</b>";
    }
    CHECK(inert_html(rows + "<i>late</i>").ends_with("[…]"));
    CHECK(inert_html("<p>a<p>b<ul><li>1<li>2</ul>") == "<p>a</p><p>b</p><ul><li>1</li><li>2</li></ul>");
    CHECK(inert_html("<table><tr><td>1<td>2<tr><td>3</table>") ==
          "<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>");
    CHECK(inert_html("<b><div>a</b>b</div>c") == "<b><div>ab</div>c</b>");
    CHECK(inert_html("AT&T &eacute;&#8364;&#x20ac;&unknown;&lt;b&gt; 1<2") ==
          "AT&amp;T é€€&amp;unknown;&lt;b&gt; 1&lt;2");
    // The first and the last name, names that differ in their letters' size, and what is no name as a whole.
    CHECK(inert_html("&AElig;&zwnj;|&Aacute;&aacute;&there4;&apos;") == "Æ\u200c|Áá∴'");
    CHECK(inert_html("&AEli;&AEligs;&;&zwnjx;&NewLine;") ==
          "&amp;AEli;&amp;AEligs;&amp;;&amp;zwnjx;&amp;NewLine;");
    CHECK(inert_html("a<!-- <b> -->b<?x ?>c<!x>d</>e<title><b>f</title>g") == "abcdeg");
    CHECK(inert_html("<p title='a\"<b>'>x</p>") == "<p title=\"a&quot;&lt;b&gt;\">x</p>");
    CHECK(inert_html("<p title=\"never ends>x</p>").empty());
}

TEST_CASE("svg: no declarations, and no more than its bounds") {
    const char* drawing = "<svg><g/></svg>";
    for (const char* start : {"<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/x.dtd\">",
                              "<?xml version='1.0'?>\n<!DOCTYPE svg>\n<!-- c -->", "\xef\xbb\xbf"}) {
        CHECK(inert_svg(start + std::string(drawing)).has_value());
    }
    for (const char* start : {"<!DOCTYPE svg [<!ATTLIST g a CDATA 'x'>]>", "<!DOCTYPE svg [ ]>",
                              "<!ATTLIST g a>", "<!DOCTYPE svg PUBLIC '[' ''>", "<!doctype svg>"}) {
        CHECK_FALSE(inert_svg(start + std::string(drawing)).has_value());
    }
    for (const char* wrong :
         {"<svg><g></svg>", "<svg><g a></g></svg>", "<svg><g a=b /></svg>", "<svg>&a;</svg>",
          "<svg><!DOCTYPE svg></svg>", "<svg/><svg/>", "<svg><a:/></svg>"}) {
        INFO(wrong);
        CHECK_FALSE(inert_svg(wrong).has_value());
    }
    std::string many = "<svg>";
    for (std::size_t i = 0; i <= kMostElements; ++i) {
        many += "<g/>";
    }
    CHECK_FALSE(inert_svg(many + "</svg>").has_value());
    CHECK_THAT(
        inert_svg("<s:svg xmlns:s='u'><s:use xlink:href='#a' href='#b'/><s:style><![CDATA[a>b{fill:red}]]>"
                  "</s:style></s:svg>")
            .value(),
        Contains("href=\"#cb-a\"") && !Contains("cb-b") && Contains(" a>b{fill:red}"));
}

TEST_CASE("svg: entities, doctypes and other roots are refused or left out") {
    CHECK_FALSE(inert_svg("<!DOCTYPE s [<!ENTITY a 'b'>]><svg>&a;</svg>").has_value());
    CHECK_FALSE(inert_svg("<html/>").has_value());
    CHECK_FALSE(inert_svg("<svg>").has_value());
    CHECK_FALSE(inert_svg("").has_value());
    const auto svg = inert_svg(R"x(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1" onload="x">
        <script>1</script><use xlink:href="#a" xmlns:xlink="http://www.w3.org/1999/xlink"/><use href="http://a#b"/>
        <linearGradient id="g"/><rect fill="url(#g)" width="1"/></svg>)x");
    REQUIRE(svg.has_value());
    CHECK_THAT(*svg, Contains("viewBox=\"0 0 1 1\"") && Contains("href=\"#cb-a\"") &&
                         Contains("url(#cb-g)") && Contains("linearGradient id=\"cb-g\"") &&
                         !Contains("script") && !Contains("http://a") && !Contains("onload"));
}

TEST_CASE("bundles: types by the policy, and what isn't allowed is named") {
    const BundleRules strict(rules());
    std::vector<MimeItem> data{
        {"text/plain", "a\x1b[2Jb"s},         {"application/javascript", "alert(1)"s},
        {"image/png", Bytes{"no"}},           {"text/html", RawJson{"{}"}},
        {"application/json", RawJson{"[1]"}}, {"application/vnd.jupyter.widget-view+json", RawJson{"{}"}}};
    std::vector<std::string> left_out;
    for (const auto& one : strict.admit(data)) {
        left_out.push_back(one.type);
    }
    CHECK(left_out == std::vector<std::string>{"application/javascript", "image/png", "text/html",
                                               "application/vnd.jupyter.widget-view+json"});
    REQUIRE(data.size() == 2);
    CHECK(std::get<std::string>(data[0].value) == "ab");
    CHECK_FALSE(BundleRules(rules(R"({"html": "drop"})")).inert("text/html", "x").has_value());
    CHECK(BundleRules(rules(R"({"html": "trust"})")).inert("text/html", "<script>") == "<script>");
    CHECK(BundleRules(rules(R"({"mime": ["a/b"]})")).inert("a/b", "x") == "x");
    CHECK_FALSE(BundleRules(rules(R"({"mime": ["a/b"]})")).inert("text/plain", "x").has_value());
}

TEST_CASE("bundles: a family of types is what begins with its name and a dot") {
    const BundleRules family(rules(R"({"mime": ["application/vnd.example.*"]})"));
    CHECK(family.inert("application/vnd.example.1.result", "x").has_value());
    CHECK_FALSE(family.inert("application/vnd.example", "x").has_value());
    CHECK_FALSE(family.inert("application/vnd.examples", "x").has_value());
    CHECK_FALSE(family.inert("text/html", "x").has_value());
    CHECK(BundleRules(rules()).inert("application/vnd.vscode.bg.execution.3.result", "x").has_value());
    for (const char* wrong : {"*", "*/*", "text/*", "text/.*", ".*", "a/b*", "a/*.b"}) {
        CHECK_FALSE(parse_policy(R"({"outputs": {"mime": [")" + std::string(wrong) + R"("]}})", "t").ok());
    }
}

TEST_CASE("metadata: powers are taken, all else stays to the letter") {
    CHECK(inert_metadata(RawJson{R"({"a": 1.50})"}).text == R"({"a": 1.50})");
    CHECK(inert_metadata(RawJson{R"({"isolated":true,"text/html":{"isolated":true,"width":3}})"}).text ==
          R"({"text/html":{"width":3}})");
}

TEST_CASE("comms: only to targets that are named, and only while open") {
    CommRules closed(rules());
    auto message = widget("1", kModel);
    CHECK_THAT(closed.refuse(message).value(), Contains("outputs.comms"));
    CommRules open(rules(R"({"comms": ["jupyter.widget"]})"));
    auto stray = widget("1", kModel, CommKind::message);
    CHECK(open.refuse(stray) == "");
    CHECK_FALSE(open.refuse(message).has_value());
    CHECK_FALSE(message.target_module.has_value());
    CHECK_FALSE(open.refuse(stray).has_value());
    auto closing = widget("1", kModel, CommKind::close);
    CHECK_FALSE(open.refuse(closing).has_value());
    CHECK(open.refuse(stray) == "");
    open.opened_by_client("c", "unknown");
    auto answer = widget("c", kModel, CommKind::message);
    auto hang_up = widget("c", kModel, CommKind::close);
    CHECK(open.refuse(answer) == "");
    CHECK_FALSE(open.refuse(hang_up).has_value());
}

TEST_CASE("comms: a widget's code is Jupyter's, its HTML inert") {
    CommRules comms(rules(R"({"comms": ["jupyter.widget"]})"));
    auto foreign = widget("f", {{"_model_module", "https://evil/x"}, {"_view_module", "b"}});
    CHECK_THAT(comms.refuse(foreign).value(), Contains("widget"));
    auto html = widget("h", model("HTMLModel", {{"value", "<img src=x onerror=alert(1)><b>x</b>"}}));
    CHECK_FALSE(comms.refuse(html).has_value());
    CHECK(state_of(html)["value"] == "<b>x</b>");
    auto update = widget("h", {{"value", "<script>1</script>y"}}, CommKind::message);
    CHECK_FALSE(comms.refuse(update).has_value());
    CHECK(state_of(update)["value"] == "y");
    auto text = widget("t", model("TextModel", {{"value", "a<b"}}));
    const std::string before = text.data.text;
    CHECK_FALSE(comms.refuse(text).has_value());
    CHECK(text.data.text == before);
    auto output = widget(
        "o", model("OutputModel", {{"outputs", json::array({{{"output_type", "display_data"},
                                                             {"data",
                                                              {{"application/javascript", "1"},
                                                               {"text/html", "<script>1</script>z"}}}}})}}));
    CHECK_FALSE(comms.refuse(output).has_value());
    CHECK(state_of(output)["outputs"][0]["data"] == json{{"text/html", "z"}});
    auto image = widget("i", model("ImageModel", {{"format", "url"}, {"_dom_classes", {"jp-Dialog"}}}));
    CHECK_FALSE(comms.refuse(image).has_value());
    CHECK_FALSE(state_of(image).contains("format"));
    CHECK(state_of(image)["_dom_classes"][0] == "cb-jp-Dialog");
    auto interact = widget("n", model("VBoxModel", {{"_dom_classes", {"widget-interact"}}}));
    CHECK_FALSE(comms.refuse(interact).has_value());
    CHECK(state_of(interact)["_dom_classes"][0] == "widget-interact");
    auto changed = widget("t", {{"_view_module", "evil"}}, CommKind::message);
    CHECK_FALSE(comms.refuse(changed).has_value());
    CHECK_FALSE(state_of(changed).contains("_view_module"));
}

TEST_CASE("widgets: a model has its own view, and stays what it is") {
    const auto comms = [] {
        return CommRules(rules(R"({"comms": ["jupyter.widget", "jupyter.widget.control"]})"));
    };
    const auto opened = [&](const json& state) {
        CommRules one = comms();
        auto message = widget("1", state);
        return !one.refuse(message).has_value();
    };
    for (const auto& [name, view] :
         std::vector<std::pair<const char*, const char*>>{{"TextModel", "TextView"},
                                                          {"IntProgressModel", "ProgressView"},
                                                          {"ProgressModel", "ProgressView"},
                                                          {"HTMLModel", "HTMLView"},
                                                          {"LayoutModel", "LayoutView"},
                                                          {"SliderStyleModel", "StyleView"},
                                                          {"BoundedIntTextModel", "IntTextView"}}) {
        CHECK(opened(model(name, {{"_view_name", view}})));
    }
    for (const auto& [name, view] : std::vector<std::pair<json, json>>{{"LabelModel", "HTMLView"},
                                                                       {"TextModel", "HTMLMathView"},
                                                                       {"HTMLModel", "HTMLMathView"},
                                                                       {{"HTMLModel"}, "HTMLView"},
                                                                       {"LabelModel", {"HTMLView"}},
                                                                       {"EvilModel", "EvilView"},
                                                                       {"LabelModel", 3},
                                                                       {"__proto__", nullptr},
                                                                       {"", "HTMLView"},
                                                                       {nullptr, "HTMLView"},
                                                                       {"TextView", "TextModel"}}) {
        json state = kModel;
        state["_model_name"] = name;
        state["_view_name"] = view;
        INFO(state.dump());
        CHECK_FALSE(opened(state));
    }
    CommRules one = comms();
    auto label = widget("1", model("LabelModel", {{"_view_name", "LabelView"}}));
    CHECK_FALSE(one.refuse(label).has_value());
    auto update = widget("1",
                         {{"_view_name", "HTMLView"},
                          {"_model_name", "HTMLModel"},
                          {"description_allow_html", true},
                          {"value", "<img src=x>$\\unicode[a]{65}$"},
                          {"unknown", "x"},
                          {"number", 1}},
                         CommKind::message);
    CHECK_FALSE(one.refuse(update).has_value());
    CHECK(state_of(update) ==
          json{{"value", "<\xe2\x80\x8bimg src=x>$\\\xe2\x80\x8bunicode[a]{65}$"}, {"number", 1}});
    CommOutput many = widget("c", {}, CommKind::message);
    one.opened_by_client("c", "jupyter.widget.control");
    const json told{{"model_name", "LabelModel"},
                    {"model_module", "@jupyter-widgets/controls"},
                    {"state", state_of(label)}};
    json other = told;
    other["model_name"] = "HTMLModel";
    json evil = told;
    evil["state"]["_view_name"] = "HTMLView";
    many.data.text = json{{"method", "update_states"},
                          {"states", {{"1", evil}, {"2", told}}},
                          {"buffer_paths", {{"__proto__", "state", "value"}}}}
                         .dump();
    CHECK_FALSE(one.refuse(many).has_value());
    json seen = json::parse(many.data.text);
    CHECK(seen["states"].size() == 1);
    CHECK_FALSE(seen["states"]["1"]["state"].contains("_view_name"));
    CHECK(seen["buffer_paths"].empty());
    many.data.text = json{{"states", {{"1", other}}}}.dump();
    CHECK_FALSE(one.refuse(many).has_value());
    CHECK(json::parse(many.data.text)["states"].empty());
}

TEST_CASE("widgets: styles, formats, addresses and labels") {
    CommRules one(rules(R"({"comms": ["jupyter.widget"]})"));
    const auto cleaned = [&](const char* name, const json& more) {
        auto message = widget("1", model(name, more));
        CHECK_FALSE(one.refuse(message).has_value());
        json state = state_of(message);
        for (const auto& key : {"_model_name", "_model_module", "_view_module"}) {
            state.erase(key);
        }
        return state;
    };
    for (const auto& [key, value] :
         std::vector<std::pair<const char*, json>>{{"background", "url(http://a)"},
                                                   {"grid_template_areas", "'a' url(http://b)"},
                                                   {"width", "expression(1)"},
                                                   {"font_family", "x;background:url(y)"},
                                                   {"margin", "-99em"},
                                                   {"left", "calc(0px - 9em)"},
                                                   {"button_color", {"a"}},
                                                   {"background", "\\75rl(x)"},
                                                   {"icon", "a\"b"},
                                                   {"format", "URL"},
                                                   {"_cursor", "url(x),auto"},
                                                   {"layout", "x"},
                                                   {"children", {"IPY_MODEL_1", "x"}},
                                                   {"source", {"IPY_MODEL_1", "value"}},
                                                   {"outputs", "x"},
                                                   {"evil", {{"a", 1}}}}) {
        INFO(key << " " << value.dump());
        CHECK(cleaned("ImageModel", {{key, value}}).empty());
    }
    for (const auto& [key, value] :
         std::vector<std::pair<const char*, json>>{{"background", "rgb(1,2,3)"},
                                                   {"grid_template_areas", "'a b' 'c d'"},
                                                   {"width", "50%"},
                                                   {"width", nullptr},
                                                   {"margin", "0 auto 3px 2px"},
                                                   {"icon", "check circle"},
                                                   {"format", "png"},
                                                   {"description", "a < b & c"},
                                                   {"layout", "IPY_MODEL_1"},
                                                   {"children", {"IPY_MODEL_1"}},
                                                   {"value", "x"},
                                                   {"max", 1.5},
                                                   {"tabbable", true}}) {
        INFO(key << " " << value.dump());
        if (std::string_view(key) != "description") {
            CHECK(cleaned("ImageModel", {{key, value}})[key] == value);
        }
    }
    CHECK(cleaned("MPLCanvasModel", {{"_data_url", "http://a"}})["_data_url"] == "");
    CHECK(cleaned("DropdownModel", {{"_options_labels", {"<img>", "b"}}})["_options_labels"][0] ==
          "<\xe2\x80\x8bimg>");
}

TEST_CASE("widgets: links join inputs, now and later") {
    CommRules one(rules(R"({"comms": ["jupyter.widget"]})"));
    for (const auto& [id, name] : std::vector<std::pair<const char*, const char*>>{{"t", "TextModel"},
                                                                                   {"i", "IntSliderModel"},
                                                                                   {"h", "HTMLModel"},
                                                                                   {"l", "LabelModel"},
                                                                                   {"p", "ImageModel"}}) {
        auto message = widget(id, model(name, json::object()));
        CHECK_FALSE(one.refuse(message).has_value());
    }
    const auto joined = [&](const char* kind, const json& source, const json& target) {
        auto message = widget("link", model(kind, {{"source", source}, {"target", target}}));
        return !one.refuse(message).has_value();
    };
    CHECK(joined("LinkModel", {"IPY_MODEL_t", "value"}, {"IPY_MODEL_i", "value"}));
    CHECK(joined("DirectionalLinkModel", {"IPY_MODEL_i", "value"}, {"IPY_MODEL_i", "max"}));
    const json from{"IPY_MODEL_t", "value"};
    auto kept = widget("kept", model("LinkModel", {{"source", from}, {"target", from}}));
    CHECK_FALSE(one.refuse(kept).has_value());
    for (const auto& target : std::vector<json>{{"IPY_MODEL_h", "value"},
                                                {"IPY_MODEL_l", "value"},
                                                {"IPY_MODEL_p", "format"},
                                                {"IPY_MODEL_t", "description_allow_html"},
                                                {"IPY_MODEL_t", "description"},
                                                {"IPY_MODEL_later", "value"},
                                                {"t", "value"},
                                                {{"IPY_MODEL_t"}, "value"},
                                                {"IPY_MODEL_t", "_view_name"},
                                                {"IPY_MODEL_i", {"value"}},
                                                "x"}) {
        INFO(target.dump());
        CHECK_FALSE(joined("LinkModel", from, target));
        CHECK_FALSE(joined("DirectionalLinkModel", from, target));
        auto update = widget("kept", {{"target", target}}, CommKind::message);
        CHECK_FALSE(one.refuse(update).has_value());
        CHECK_FALSE(state_of(update).contains("target"));
    }
    auto gone = widget("t", json::object(), CommKind::close);
    CHECK_FALSE(one.refuse(gone).has_value());
    auto again = widget("t", model("HTMLModel", json::object()));
    CHECK(one.refuse(again).has_value());
}

TEST_CASE("widgets: the view of one that was left out goes with it, and the notice names the module") {
    CommRules one(rules(R"({"comms": ["jupyter.widget"]})"));
    auto map = widget("m", {{"_model_module", "jupyter-leaflet"},
                            {"_model_name", "LeafletMapModel"},
                            {"_view_module", "jupyter-leaflet"},
                            {"_view_name", "LeafletMapView"}});
    CHECK_THAT(one.refuse(map).value(), Contains("\"jupyter-leaflet\""));
    auto text = widget("t", model("TextModel", json::object()));
    CHECK_FALSE(one.refuse(text).has_value());
    const auto left = [&](const char* view) {
        std::vector<MimeItem> data{{"application/vnd.jupyter.widget-view+json", RawJson{view}},
                                   {"text/plain", "x"s}};
        one.leave_out_views(data);
        return data.size();
    };
    CHECK(left(R"({"model_id": "t"})") == 2);
    CHECK(left(R"({"model_id": "m"})") == 1);
    CHECK(left(R"({"model_id": ["t"]})") == 1);
    CHECK(left("{}") == 1);
}

TEST_CASE("replies: payloads by allowlist, text without control sequences") {
    const BundleRules bundles(rules());
    const auto payload = [&](const json& given) {
        return json::parse(inert_payload(RawJson{given.dump()}, bundles).text);
    };
    CHECK(payload({{{"source", "edit_magic"}, {"filename", "/etc/passwd"}}}).empty());
    CHECK(payload({{{"source", "set_next_input"}, {"text", "a\x1b]0;t\x07"}, {"evil", 1}}}) ==
          json{{{"source", "set_next_input"}, {"text", "a"}, {"replace", false}}});
    CHECK(payload({{{"source", "page"},
                    {"data", {{"application/javascript", "1"}, {"text/plain", "p"}}}}})[0]["data"] ==
          json{{"text/plain", "p"}});
    CHECK(payload("text").empty());
    const RawJson plain{R"({"matches": ["a"], "n": 1.50})"};
    CHECK(inert_reply(plain, bundles).text == plain.text);
    CHECK(json::parse(inert_reply(RawJson{R"({"matches":["a\u001b[2J"]})"}, bundles).text)["matches"][0] ==
          "a");
    CHECK(json::parse(inert_reply(RawJson{R"({"data":{"text/html":"<script>1</script>x"}})"}, bundles)
                          .text)["data"] == json{{"text/html", "x"}});
    CHECK(json::parse(
              inert_expressions(RawJson{R"({"a":{"status":"ok","data":{"text/html":"<script>1</script>"}}})"},
                                bundles)
                  .text)["a"]["data"]["text/html"] == "");
}

TEST_CASE("user_expressions that are plain text need no parser, and all others do") {
    const OutputRules rules = builtin_policy().outputs;
    const PlainRules plain(rules);
    const BundleRules bundles(rules);
    const auto value = [](const std::string& text) {
        return R"({"status":"ok","data":{"text/plain":")" + text + R"("},"metadata":{}})";
    };
    for (const auto& text : {"{\"a\":" + value("42") + "}", R"({"a b \"c\"":)" + value("") + "}",
                             "{\"a\":" + value(R"('x\\n' \"y\"\nz)") + ",\"b\":" + value("~ }") + "}"}) {
        CHECK(plain.admits_expressions(text));
        CHECK(inert_expressions(RawJson{text}, bundles).text == text);
        for (std::size_t length = 0; length < text.size(); ++length) {
            CHECK_FALSE(plain.admits_expressions(text.substr(0, length)));
        }
        CHECK_FALSE(plain.admits_expressions(text + " "));
        CHECK_FALSE(plain.admits_expressions(text + text));
    }
    for (const char* text : {R"(\u001b[2J)", "\x1b[2J", "\n", "\t", "\x7f", "é", "\xff", R"(\)", R"(\x)",
                             R"(\r)", R"(\/)", R"("},"text/html":"<script>1</script>)",
                             R"(","text/html":"<b>)", R"("},"metadata":{},"data":{"x":"y)"}) {
        INFO(text);
        CHECK_FALSE(plain.admits_expressions("{\"a\":" + value(text) + "}"));
        CHECK_FALSE(plain.admits_expressions("{\"a" + std::string(text) + "\":" + value("1") + "}"));
    }
    CHECK_FALSE(plain.admits_expressions("{\"a\":" + value(std::string(70'000, 'x')) + "}"));
    for (const char* text :
         {"", "{", "{}", "[]", "null", R"({"a":1})", R"({"a":{"status":"error","ename":"x"}})",
          R"({"a":{"status":"ok","data":{"text/html":"42"},"metadata":{}}})",
          R"({"a":{"status":"ok","data":{"text/plain":42},"metadata":{}}})",
          R"({"a":{"status":"ok","data":{"text/plain":"42"},"metadata":{"x":1}}})",
          R"({"a": {"status":"ok","data":{"text/plain":"42"},"metadata":{}}})"}) {
        CHECK_FALSE(plain.admits_expressions(text));
    }
    OutputRules none = rules;
    none.mime.clear();
    CHECK_FALSE(PlainRules(none).admits_expressions("{\"a\":" + value("42") + "}"));
}

TEST_CASE("markdown: plain text stays to the letter") {
    for (const char* text : {"# a\n*b* `c` 1 < 2 <3 a<-b", "[x](https://a.b) [y](#z)", "a[0](x)"sv.data()}) {
        if (std::string_view(text).find("a[0]") == std::string_view::npos) {
            CHECK(inert_markdown(text) == text);
        } else {
            CHECK(inert_markdown(text) != text);
        }
    }
}

TEST_CASE("formulas: mathematics stays to the letter") {
    for (
        const char* text :
        {R"($\displaystyle \int\limits_{0}^{\infty} \sqrt{\frac{1}{x}}\, dx$)",
         R"(\left[\begin{matrix}1 & x\\\pi & \frac{1}{3}\\x & y\end{matrix}\right])",
         R"(\begin{cases} x & \text{for}\: x > 0 \\- x & \text{otherwise} \end{cases})",
         R"(\color{red}{x} \textcolor{#ff0000}{y} \color[rgb]{1, 0.5,0} \colorbox{yellow}{z} \hspace{-1.5em}\hskip 2mu)",
         R"(\begin{array}[t]{c|c} a & b \\[2pt] \hline \end{array} \label{eq:1} \eqref{eq:1} \cancel{x})",
         R"(\{ \} \, \; \! \| \% \& \# \_ \$ 100\% \\ \(a\) \[b\])"}) {
        INFO(text);
        CHECK(inert_latex(text) == text);
        CHECK(inert_html(text).find("\xe2\x80\x8b") == std::string::npos);
    }
    for (const std::string text : {"C:\\Users\\html\\class", "a\\", "\\d+\\s", "\\\\server\\share"}) {
        CHECK_FALSE(may_have_formulas(text));
        CHECK(inert_markdown(text) == text);
        CHECK(inert_html("<p>" + text + "</p>") == "<p>" + text + "</p>");
    }
}

TEST_CASE("formulas: a command that isn't listed is shown, not obeyed") {
    for (const char* text : {R"(\unicode[x;color:red]{65})",
                             R"(\href{x}{y})",
                             R"(\url{x})",
                             R"(\style{color:red}{x})",
                             R"(\class{a}{x})",
                             R"(\cssId{a}{x})",
                             R"(\htmlStyle{a}{x})",
                             R"(\html@mathml{a}{b})",
                             R"(\alpha@b)",
                             R"(\@char{1})",
                             R"(\require{html})",
                             R"(\def\a{b})",
                             R"(\newcommand{\a}{b})",
                             R"(\let\a\b)",
                             R"(\csname a\endcsname)",
                             R"(\verb|a|)",
                             R"(\bbox[red]{x})",
                             R"(\mmlToken{mi}[style="x"]{y})",
                             R"(\enclose{box}[a="b"]{x})",
                             R"(\includegraphics{x})",
                             R"(\color{red;x:url(y)}{x})",
                             R"(\color[a;b]{x}{y})",
                             R"(\color red)",
                             R"(\color%
{red;}{x})",
                             R"(\textcolor{re\d}{x})",
                             R"(\fcolorbox{red}{a:b}{x})",
                             R"(\cancel[mathbackground="x"]{y})",
                             R"(\hspace{-9999em})",
                             R"(\kern-100em)",
                             R"(\rule{99em}{99em})",
                             R"(\rlap{x})",
                             R"(\raise 9em {x})",
                             R"(\begin{evil}x\end{evil})",
                             R"(\begin{array}[x;y]{c}\end{array})",
                             R"(\begin {array} [x;y]{c}\end{array})",
                             R"(\begin%
{array}{c})",
                             R"(\begin{align)",
                             R"(\label{a"b})",
                             R"(\data{a}{b})",
                             R"(\texttip{a}{b})",
                             R"(\toggle{a}{b}\endtoggle)",
                             R"(\definecolor{a}{rgb}{b})",
                             R"(\unknown)",
                             R"(\\begin{evil})",
                             R"(\\\unicode{65})"}) {
        INFO(text);
        CHECK(inert_latex(text) != text);
        CHECK(inert_latex(inert_latex(text)) == inert_latex(text));
        const std::string page = inert_html("<p>$" + std::string(text) + "$</p>");
        CHECK(page != "<p>$" + std::string(text) + "$</p>");
        CHECK(page.find("\\unicode") == std::string::npos);
        CHECK(inert_markdown("$" + std::string(text) + "$").find(text) == std::string::npos);
    }
    CHECK(inert_latex("\\unicode") == "\\\xe2\x80\x8bunicode");
}

TEST_CASE("formulas in pages: text that a browser makes one of is read as one") {
    for (const char* html :
         {R"(<p>$\uni<script>x</script>code[a]{65}$</p>)", R"(<p>$\uni<unknown>code</unknown>[a]{65}$</p>)",
          R"(<p>$\uni<!-- -->code[a]{65}$</p>)", R"(<p>$\uni<wbr>code[a]{65}$</p>)",
          R"(<p>$\uni&#99;ode[a]{65}$</p>)", R"(<p>&#36;&#92;unicode[a]{65}&#36;</p>)",
          R"(<p>\<script>x</script>(\unicode[a]{65}\)</p>)", R"(<p>$a<br>\unicode[a]{65}$</p>)",
          R"(<svg><text>$\unicode[a]{65}$</text></svg>)",
          R"(<svg><text>$\uni<a>x</a>code[a]{65}$</text></svg>)"}) {
        INFO(html);
        const std::string page = inert_html(html);
        CHECK(page.find("$") + page.find("\\(") != 2 * std::string::npos);
        CHECK(page.find("\\unicode") == std::string::npos);
    }
    CHECK(inert_html("a<wbr>b") == "a<wbr>b");
    CHECK(inert_html("$a$<style>a{color:red}</style>\\class") != "");
}

TEST_CASE("markdown: no formula in a link or in code's language, no characters that hide") {
    const auto has_gap = [](const std::string& text) {
        return text.find("\xe2\x80\x8b") != std::string::npos ||
               text.find("\xef\xbb\xbf") != std::string::npos;
    };
    for (const char* text : {"[a](http://x/$\"onx=\"y$)",
                             "[a](http://x/(b)$\"onx=\"y$)",
                             "[a](http://x \"t$ $\")",
                             "[a](http://x\n'$ $')",
                             "[a]: http://x/$\"onx$",
                             "[a]: http://x\n\"$ $\"",
                             "http://x/$\"onx$",
                             "www.x/$\"onx$",
                             "ftp://x/\\\\(\"\\\\)",
                             "[a](http://x/@@0@@)",
                             "[a](mailto:x@y@@0@@)",
                             "```mermaid\ngraph\n```",
                             "~~~ Mermaid\n~~~",
                             "> ````mermaid",

                             "```merm-aid",
                             "&#92;unicode $x$",
                             "&#x5c;unicode",
                             "&dollar;x&dollar;",
                             "\\unic&#111;de",
                             "&bsol;unicode",
                             "&#0092;a",
                             "&#92a"}) {
        INFO(text);
        CHECK(has_gap(inert_markdown(text)));
    }
    for (const char* text :
         {"[a](http://x/y_(z)) costs $5", "[a](http://x \"title\") $x$ \"y\"", "[a]: http://x\n\n$x$",
          "```python\nprint('$x')\n```", "``` c++\n```", "~~~\nx\n~~~", "```\nx\n```",
          "&lt;b&gt; &amp; &#39; &nbsp;", "https://x/y?z=1#a $x$", "[a](#b)", "[a](mailto:x@y)"}) {
        INFO(text);
        CHECK(inert_markdown(text) == text);
    }
    for (const char* text : {R"($$\\unicode[a]{65}$$)", R"(\\(\unicode[a]{65}\\))", R"(\\\\unicode $x$)"}) {
        INFO(text);
        CHECK(inert_markdown(text).find("\\unicode") == std::string::npos);
    }
}

TEST_CASE("the output filter tells once what was left out") {
    WholeOutputFilter filter(parse_policy("{}", "mine").value());
    const auto show = [&](const char* type) {
        DisplayOutput output;
        output.cell = 1;
        output.data = {{type, "x"s}};
        return filter.admit(std::move(output));
    };
    const auto first = show("application/javascript");
    REQUIRE(first.size() == 2);
    CHECK(std::get<DisplayOutput>(first[0]).data[0].type == "text/plain");
    CHECK_THAT(std::get<StreamOutput>(first[1]).text,
               Contains("application/javascript") && Contains("\"mine\""));
    CHECK(show("application/javascript").size() == 1);
    for (int i = 0; i < 20; ++i) {
        show(("x/y" + std::to_string(i)).c_str());
    }
    CHECK(show("x/y99").size() == 1);
}

TEST_CASE("text: what is unwanted is found at any place of a long text") {
    for (std::size_t at = 0; at < 200; ++at) {
        std::string text(200, 'x');
        text.insert(at, "\a");
        CHECK(terminal_text(text) == std::string(200, 'x'));
        text[at] = '\t';
        CHECK(terminal_text(text) == text);
        text.replace(at, 1, "\u00e4");
        CHECK(terminal_text(text) == text);
        text.replace(at, 2, "\u202e");
        CHECK(terminal_text(text) == std::string(200, 'x'));
    }
}
