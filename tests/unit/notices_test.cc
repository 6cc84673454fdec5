// What a person is told of an output that isn't shown, and what is shown in its place.
#include "sandbox/outputs/notices.h"

#include <nlohmann/json.hpp>

#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/data_url.h"
#include "sandbox/outputs/html.h"
#include "tests/unit/catch.h"
#include "tests/unit/whole_output_filter.h"

using namespace cellblock::sandbox;
using namespace std::literals;
using cellblock::tests::Contains;

namespace {

const std::string kWave =
    "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";
const std::string kMp4 = "data:video/mp4;base64,AAAAHGZ0eXBpc29tAAACAGlzb21pc28ybXA0MQ==";

struct Shown {
    std::vector<std::string> types;
    std::string notices;
};

Shown show(std::vector<MimeItem> data, const char* policy = "{}") {
    cellblock::testing::WholeOutputFilter filter(parse_policy(policy, "mine").value());
    DisplayOutput output;
    output.cell = 1;
    output.data = std::move(data);
    Shown out;
    for (const auto& event : filter.admit(std::move(output))) {
        if (const auto* display = std::get_if<DisplayOutput>(&event)) {
            for (const auto& item : display->data) {
                out.types.push_back(item.type);
            }
        } else {
            out.notices += std::get<StreamOutput>(event).text;
        }
    }
    return out;
}

using Types = std::vector<std::string>;

}  // namespace

TEST_CASE("HTML that is emptied gives way to its plain text, and the notice says what it was") {
    const std::pair<std::string, std::string> cases[] = {
        {"<iframe width=400 src='https://www.youtube.com/embed/x'></iframe>", "from www.youtube.com"},
        {"<audio controls><source src='http://a.example/b.wav' type='audio/wav'/>no sound</audio>",
         "this sound isn't shown: it would be loaded from a.example"},
        {"<video src='b.mp4' controls>no video</video>", "Video(…, embed=True)"},
        {"<img src='https://b.example:1/c.png'/>",
         "this picture isn't shown: it would be loaded from b.example"},
        {"<script>alert(1)</script>", "it is JavaScript"},
        {"<div id='v'></div><script>(function(s, vegaEmbed) {})()</script>",
         "alt.renderers.enable(\"mimetype\")"},
        {"<div class=plotly-graph-div style='height:100%'></div><script>Plotly.newPlot()</script>",
         "this plotly figure's HTML isn't shown"},
        {"<div style='display:none'>no one sees this</div><script>1</script>", "it is JavaScript"},
        {"<textarea>x</textarea>", "lets none of its elements through"},
        {"<object data='//o.example/x.swf'></object>",
         "this frame isn't shown: it would be loaded from o.example"},
        {"<audio src='data:audio/wav;base64,AAAA' controls></audio>",
         "this sound isn't shown: policy \"mine\" doesn't let through what its data: address holds"},
        {"<video src='DATA:video/mp4;base64,AAAA' controls></video>", "what its data: address holds"},
        {"<img src='data:image/png;base64,AAAA'/>", "this picture isn't shown: policy"},
        {"<iframe src='data:text/html,hi'></iframe>", "this frame isn't shown: policy"},
        {" &nbsp;\n<embed src=x.svg>", "this frame isn't shown: it would be loaded from elsewhere"},
    };
    for (const auto& [html, words] : cases) {
        INFO(html);
        const auto shown = show({{"text/plain", "<IPython object>"s}, {"text/html", html}});
        CHECK(shown.types == Types{"text/plain"});
        CHECK_THAT(shown.notices, Contains(words) && Contains("policy \"mine\"") && Contains("outputs.html"));
    }
}

TEST_CASE("HTML that shows something stays, also where it is a line, a colour or a sound") {
    for (const std::string& html :
         {"<b>x</b><script>1</script>"s, "<hr>"s, "<div style='background:red;height:3px'></div>"s,
          "<svg><path d='M0 0'/></svg>"s, "<audio controls><source src='" + kWave + "'></audio>"}) {
        INFO(html);
        const auto shown = show({{"text/plain", "x"s}, {"text/html", html}});
        CHECK(shown.types == Types{"text/plain", "text/html"});
        CHECK(shown.notices.empty());
    }
    // What it lost is told where it was to be seen.
    CHECK_THAT(show({{"text/html", "a map<iframe src='https://m.example/'></iframe>"s}}).notices,
               Contains("m.example"));
}

TEST_CASE("HTML that showed nothing shows nothing; alone it says so; with another form it isn't missed") {
    const auto empty = show({{"text/plain", "x"s}, {"text/html", ""s}});
    CHECK(empty.types == Types{"text/plain", "text/html"});
    CHECK(empty.notices.empty());
    const auto styles = show({{"text/plain", "x"s}, {"text/html", "<style>.container{width:100%}</style>"s}});
    CHECK(styles.types == Types{"text/plain", "text/html"});
    CHECK_THAT(styles.notices, Contains("these styles change nothing"));
    CHECK(show({{"text/html", "<script>1</script>"s}}).types == Types{"text/plain"});
    const auto twin = show({{"application/json", RawJson{"{}"}}, {"text/html", "<script>1</script>"s}});
    CHECK(twin.types == Types{"application/json"});
    CHECK(twin.notices.empty());
    nlohmann::json bundle{{"text/html", "<script>1</script>"}, {"text/plain", "x"}};
    CHECK(BundleRules(parse_policy("{}", "p").value().outputs).admit(bundle));
    CHECK(bundle == nlohmann::json{{"text/plain", "x"}});
}

TEST_CASE("each kind of output has a notice of its own, one for each figure") {
    const auto told = [](const char* type, const char* policy = R"({"outputs": {"mime": ["text/plain"]}})") {
        return show({{"text/plain", "x"s}, {type, "{}"s}}, policy).notices;
    };
    CHECK(told("application/vnd.plotly.v1+json") ==
          "cellblock: this plotly figure isn't shown: policy \"mine\" doesn't list "
          "application/vnd.plotly.v1+json; "
          "add it to outputs.mime in a copy of the policy\n");
    CHECK_THAT(told("application/vnd.vegalite.v9+json"),
               Contains("this altair (vega-lite) chart isn't shown"));
    CHECK_THAT(told("image/png"), Contains("this picture isn't shown") && Contains("doesn't list image/png"));
    CHECK_THAT(told("image/png", "{}"), Contains("isn't what its type image/png says"));
    CHECK_THAT(told("text/html", R"({"outputs": {"html": "drop"}})"), Contains("drops HTML and SVG"));
    CHECK_THAT(told("application/x-own"), Contains("this output of type application/x-own isn't shown"));
    CHECK_THAT(told("application/vnd.jupyter.widget-view+json"), Contains("outputs.comms"));
    const auto bokeh = show({{"application/javascript", "1"s},
                             {"application/vnd.bokehjs_exec.v0+json", ""s},
                             {"text/html", "<div id=x data-root-id=y style='display: contents'></div>"s}});
    CHECK_THAT(bokeh.notices,
               Contains("this bokeh figure isn't shown: it is JavaScript") && Contains("altair"));
    CHECK(std::count(bokeh.notices.begin(), bokeh.notices.end(), '\n') == 1);
}

TEST_CASE("a notice says no more of a hostile name than its beginning, without controls") {
    const std::string notice_text =
        notice({"application/\x1b[2J\n" + std::string(5000, 'x'), LeftOut::Why::not_listed, ""}, "p");
    CHECK(notice_text.find('\x1b') == std::string::npos);
    CHECK(notice_text.size() < 500);
    const auto host = clean_html("<iframe src='https://" + std::string(5000, 'h') + "'></iframe>").lost;
    REQUIRE(host.size() == 1);
    CHECK(host[0].detail.size() <= 200);
    CHECK(clean_html("<iframe src='https://a\u202eb/'></iframe>").lost.at(0).detail == "a");
}

TEST_CASE("sound and video: bytes of the kind that is said, controls, no beginning by itself") {
    const std::string sound =
        inert_html("<audio autoplay onplay=x src='http://a/'><source src='" + kWave + "'></audio>");
    CHECK_THAT(sound, Contains("<audio src=\"" + kWave + "\"") && Contains("controls") &&
                          !Contains("autoplay") && !Contains("onplay") && !Contains("http"));
    const std::string video =
        inert_html("<video width=3 loop autoplay poster=http://a/p><source src=x><source src='" + kMp4 +
                   "'><track src=y></video>after");
    CHECK_THAT(video, Contains("<video width=\"3\" loop=\"\" src=\"" + kMp4) && Contains("</video>after") &&
                          !Contains("poster") && !Contains("track"));
    CHECK_FALSE(inert_media_url("audio", kMp4).has_value());
    CHECK_FALSE(inert_media_url("video", "data:video/mp4;base64,PHN2Zz4=").has_value());
    CHECK_FALSE(inert_media_url("video", "data:text/html;base64,AAAAHGZ0eXBpc29tAAACAA==").has_value());
    CHECK_FALSE(inert_media_url("audio", "data:audio/wav;base64,UklG\"><script>").has_value());
    CHECK_FALSE(inert_media_url("audio", "").has_value());
}
