// Figures of plotly and vega-lite: what is drawn stays, what loads, links or runs is refused.
#include "sandbox/outputs/charts.h"

#include <chrono>

#include "sandbox/outputs/bundle.h"
#include "sandbox/outputs/output_filter.h"
#include "tests/unit/catch.h"

using namespace cellblock::sandbox;
using namespace std::literals;
using cellblock::tests::Contains;
using nlohmann::json;

namespace {

const std::string kDot =
    "data:image/"
    "png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+"
    "M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

json bar() {
    return json::parse(R"x({"$schema": "https://vega.github.io/schema/vega-lite/v5.20.1.json",
        "config": {"view": {"continuousHeight": 300, "continuousWidth": 300}}, "data": {"name": "data-0d4f"},
        "datasets": {"data-0d4f": [{"a": "x<y", "b": 28, "url": "https://e.example"}, {"a": "it's", "b": 55}]},
        "mark": {"type": "bar", "color": "rgb(1, 2, 3)", "tooltip": true},
        "params": [{"bind": "scales", "name": "param_1", "select": {"encodings": ["x", "y"], "type": "interval"}},
                   {"name": "k", "value": 3, "bind": {"input": "range", "min": 0, "max": 9, "name": "k: "}}],
        "transform": [{"calculate": "datum.b * 2 + k > 3 ? 'high' : \"low\"", "as": "c"}, {"filter": {"and": ["isValid(datum.b)", {"param": "param_1"}]}}],
        "encoding": {"x": {"field": "a", "type": "nominal", "sort": "-y", "axis": {"labelExpr": "upper(datum.label)", "labelAngle": 0}},
                     "y": {"field": "b", "type": "quantitative", "axis": {"format": "$(,.2f"}, "title": "What's it (in \"€\")"},
                     "color": {"condition": {"test": "datum['b'] >= 1e-3 && datum.b !== null", "value": "steelblue"}, "value": "#ccc"},
                     "tooltip": [{"field": "a\\.b", "type": "nominal"}]}})x");
}

std::string refuses(json spec, const char* path, json value) {
    spec[json::json_pointer(path)] = std::move(value);
    return inert_vegalite(spec);
}

json figure() {
    return json::parse(
        R"x({"data": [{"type": "scatter", "x": [1, 2], "y": {"dtype": "i1", "bdata": "AQI="}, "name": "<b>a</b>",
        "hovertemplate": "x=%{x}<br>y=%{y}<extra></extra>", "text": ["a < b", "<NA>", "2<3"]}, {"type": "sankey",
        "link": {"source": [0, 1], "target": [1, 2]}}],
        "layout": {"title": {"text": "T<sub>2</sub>"}, "template": {"data": {"choropleth": [{"type": "choropleth"}],
        "bar": [{"type": "bar"}]}, "layout": {"mapbox": {"style": "light"}, "geo": {"bgcolor": "white"}, "font": {"color": "#2a3f5f"}}},
        "updatemenus": [{"buttons": [{"args": ["visible", [true, false]], "method": "restyle"}]}]},
        "config": {"plotlyServerURL": "https://plot.ly", "responsive": true}})x");
}

std::string why(const char* path, json value) {
    json changed = figure();
    changed[json::json_pointer(path)] = std::move(value);
    return inert_plotly(changed);
}

}  // namespace

TEST_CASE("vega-lite: an ordinary chart stays as it is") {
    json spec = bar();
    CHECK(inert_vegalite(spec).empty());
    CHECK(spec == bar());
    spec["usermeta"] = {{"embedOptions", {{"loader", 1}}}};
    CHECK(inert_vegalite(spec).empty());
    CHECK(spec == bar());
}

TEST_CASE("vega-lite: what loads, links, runs or reaches into the page is refused") {
    const std::pair<const char*, json> cases[] = {
        {"/data", {{"url", "http://e.example/x.json"}}},
        {"/transform/0/from", {{"data", {{"url", "x"}}}, {"key", "k"}}},
        {"/mark", {{"type", "image"}}},
        {"/mark", "image"},
        {"/mark/href", "javascript:alert(1)"},
        {"/encoding/href", {{"field", "url"}}},
        {"/encoding/url", {{"field", "url"}}},
        {"/layer", {{{"mark", {{"type", "point"}, {"href", "x"}}}}}},
        {"/config/signals", {{{"name", "s"}, {"update", "1"}}}},
        {"/encoding/size", {{"signal", "1"}}},
        {"/params/1/bind/element", "#jp-top-panel"},
        {"/params/1/bind/input", "file"},
        {"/params/1/bind", "evil"},
        {"/params/1/expr", "alert(1)"},
        {"/transform/0/calculate", "datum.constructor.constructor('alert(1)')()"},
        {"/transform/0/calculate", "event.view.alert(1)"},
        {"/transform/0/calculate", "{toString: 1}"},
        {"/transform/1/filter", {{"not", "warn(1)"}}},
        {"/transform/1/filter", {{"or", {"vlSelectionTuples([1],2)"}}}},
        {"/transform/1", {{"pivot", "a"}, {"value", "b"}}},
        {"/encoding/tooltip/0/title", "image"},
        {"/encoding/tooltip/0", {{"field", "image"}}},
        {"/datasets/data-0d4f/0/image", "http://e.example/i.png"},
        {"/datasets/data-0d4f", "image\nhttp://e.example/i.png"},
        {"/data", {{"values", "image\nx"}, {"format", {{"type", "csv"}}}}},
        {"/datasets/data-0d4f/0", json::parse(R"({"__proto__": {"x": 1}})")},
        {"/encoding/y/axis/format", "\") + alert(\""},
        {"/encoding/y/axis/formatType", "alert"},
        {"/encoding/y/title", "x\\\" : alert(1), \\\""},
        {"/encoding/y/field", "x\\\"y"},
        {"/encoding/y/bandPosition", "0 + alert(1)"},
        {"/encoding/y/axis/labelExpr", "datum['con' + 'structor']"},
        {"/mark/cursor", "url(http://e.example/c.png), auto"},
        {"/mark/cursor", "x y"},
        {"/mark/fill", "url(http://e.example/c.svg#a)"},
        {"/config/font", "x; background: url(http://e.example)"},
        {"/config/background", "//e.example/x"},
        {"/data/format", {{"parse", {{"d", "date:'%Y'+alert(1)+''"}}}}},
        {"/params/0/select", {{"type", "interval"}, {"on", "mousedown[alert(1)]"}}},
        {"/params/0/select", {{"type", "point"}, {"toggle", "event.view"}}},
        {"/params/0/select/zoom", "wheel[event.altKey]"},
        {"/$schema", "http://e.example/vega-lite/v5.json"},
        {"/encoding/x/scale/domain", {{{"year", "alert(1)"}}}},
        {"/config/loader", {{"baseURL", "http://e"}}},
        {"/mark/__proto__", {{"x", 1}}},
    };
    for (const auto& [path, value] : cases) {
        INFO(path << " " << value.dump());
        CHECK_FALSE(refuses(bar(), path, value).empty());
    }
}

TEST_CASE("vega-lite: selections, formats and data that people use are let through") {
    const std::pair<const char*, json> cases[] = {
        {"/params/0/select",
         {{"type", "interval"},
          {"on", "[mousedown, window:mouseup] > window:mousemove!"},
          {"zoom", "wheel!"}}},
        {"/params/0/select",
         {{"type", "point"}, {"on", "mouseover"}, {"toggle", "event.shiftKey"}, {"clear", "dblclick"}}},
        {"/data/format", {{"parse", {{"d", "date:'%d.%m.%Y'"}}}}},
        {"/encoding/x/timeUnit", "utcyearmonth"},
        {"/encoding/y/axis/format", "%b %d, %H:%M"},
        {"/data", {{"values", {{{"x", 1}, {"href", "http://e.example"}}}}}},
        {"/data", {{"sequence", {{"start", 0}, {"stop", 9}, {"step", 0.5}, {"as", "x"}}}}},
        {"/title", "Sales (2024): \"best\" {of} both"},
        {"/encoding/y/scale", {{"type", "log"}, {"range", {"#fff", "rgba(1, 2, 3, 0.5)"}}}},
        {"/hconcat",
         json::array(
             {json{{"data", {{"values", {1, 2}}}}, {"mark", "line"}, {"encoding", bar()["encoding"]}}})},
        {"/transform/0/calculate",
         "year(datum.d) % 4 == 0 || inrange(datum['a b'][0], [1, .5]) ? -PI : log(max(datum.b, 1.5))"},
    };
    for (const auto& [path, value] : cases) {
        INFO(path << " " << value.dump());
        CHECK(refuses(bar(), path, value) == "");
    }
}

TEST_CASE("vega's expressions: known functions, data and operators") {
    for (const char* good :
         {"1", "datum.x", "datum['a b'] > 3", "-(1 + 2) * 3", "if(datum.a, 'x', \"y\")", "[1, 2][0]",
          "!isNaN(datum.x)", "datum.a.b", "brush", "1.5e3 + .5", "2e-3", "datum.a === 'con'"}) {
        INFO(good);
        CHECK(is_safe_expression(good));
    }
    for (const char* bad : {"alert(1)",
                            "datum.f(1)",
                            "datum['f'](1)",
                            "(datum)(1)",
                            "max (1)(2)",
                            "datum.constructor",
                            "datum[\"constructor\"]",
                            "datum['a'+'b']",
                            "datum[datum.x]",
                            "a = 1",
                            "a=1",
                            "x => 1",
                            "{a: 1}",
                            "'a\\'b'",
                            "'open",
                            "a; b",
                            "a b",
                            "5x",
                            "a `b`",
                            "window",
                            "this",
                            "event.view",
                            "item()",
                            "data('x')",
                            "scale('x', 1)",
                            "\xc3\xa9",
                            "1)",
                            "(1",
                            "max.call(1)",
                            "eval\t(1)",
                            "max\xc2\xa0(1)",
                            "datum.\nconstructor",
                            "datum. constructor",
                            "datum[ 'a' ]",
                            "warn(1)",
                            "replace('a', 'b', 'c')",
                            "regexp('x')",
                            "@",
                            "#",
                            "a ? b : c @"}) {
        INFO(bad);
        CHECK_FALSE(is_safe_expression(bad));
    }
    CHECK_FALSE(is_safe_expression(std::string(5000, '1')));
}

TEST_CASE("plotly: an ordinary figure stays, without its server and idle maps") {
    json given = figure();
    CHECK(inert_plotly(given).empty());
    json wanted = figure();
    wanted["config"] = {{"responsive", true}};
    wanted["layout"]["template"] =
        json::parse(R"({"data": {"bar": [{"type": "bar"}]}, "layout": {"font": {"color": "#2a3f5f"}}})");
    CHECK(given == wanted);
    CHECK(why("/layout/images", {{{"source", kDot}}}).empty());
    CHECK(why("/data/0", {{"type", "image"}, {"source", kDot}}).empty());
    CHECK(why("/data/0/customdata", {{"https://e.example", 1}}).empty());
}

TEST_CASE("plotly: a config that is no object becomes an empty one") {
    for (const json& odd : {json("text"), json(1), json::array({"a"}), json(nullptr)}) {
        json spec = figure();
        spec["config"] = odd;
        CHECK(inert_plotly(spec).empty());
        CHECK(spec["config"] == json::object());
    }
}

TEST_CASE("plotly: what loads or reaches further is refused") {
    const std::pair<const char*, json> cases[] = {
        {"/layout/images", {{{"source", "http://e.example/x.png"}}}},
        {"/layout/images", {{{"source", "data:image/svg+xml;base64,PHN2Zz4="}}}},
        {"/data/0", {{"type", "image"}, {"source", "//e.example/x.png"}}},
        {"/data/0/type", "scattermapbox"},
        {"/data/0/type", "choropleth"},
        {"/layout/mapbox/style", {{"version", 8}, {"sources", {{"x", {{"url", "http://e"}}}}}}},
        {"/layout/updatemenus/0/buttons/0/args", {{{"images[0].source", "http://e.example/x"}}}},
        {"/layout/updatemenus/0/buttons/0/args", {"images[0].source", "http://e.example/x"}},
        {"/layout/updatemenus/0/buttons/0/args", {"type", "scattergeo"}},
        {"/layout/updatemenus/0/buttons/0/args", {{{"mapbox.style", "http://e"}}}},
        {"/layout/updatemenus/0/buttons/0/args2", {"mapbox2.style", "http://e"}},
        {"/layout/sliders", {{{"steps", {{{"args", {"geo.scope", "x"}}}}}}}},
        {"/frames", {{{"data", {{{"type", "densitymap"}}}}}}},
        {"/frames", {{{"layout", {{"images", {{{"source", "http://e"}}}}}}}}},
        {"/frames", {{{"layout", {{"map", {{"style", "x"}}}}}}}},
        {"/layout/__proto__", {{"x", 1}}},
        {"/layout/updatemenus/0/buttons/0/args", {"__proto__.x", 1}},
        {"/layout/href", "x"},
        {"/data", "x"},
    };
    for (const auto& [path, value] : cases) {
        INFO(path << " " << value.dump());
        json changed = value;
        if (std::string_view(path) == "/layout/mapbox/style") {  // with a trace that draws on it
            CHECK_FALSE(why("/data/0", {{"type", "scattermapbox"}, {"subplot", "mapbox"}}).empty());
            continue;
        }
        CHECK_FALSE(why(path, value).empty());
    }
}

TEST_CASE("plotly: texts are markup, written anew") {
    const std::pair<const char*, const char*> cases[] = {
        {"a < b > c", "a < b > c"},
        {"x<5", "x<5"},
        {"<b>a</b><br><i>i</i>", "<b>a</b><br><i>i</i>"},
        {"<a href='http://e'>x</a>", "x"},
        {"<A HREF=\"javascript:alert(1)\" target=x popup='y'>x</A>", "x"},
        {"<span style='color:red;font-size:9px'>x</span>",
         "<span style=\"color:red;font-size:9px\">x</span>"},
        {"<span style=\"fill:url(http://e)\">x</span>", "<span>x</span>"},
        {"<b style='cursor:url(http://e)'>x</b>", "<b>x</b>"},
        {"<b style='position:fixed'>x</b>", "<b>x</b>"},
        {"<%{meta}>", ""},
        {"<%{x}", "&lt;%{x}"},
        {"<a %{x}", "&lt;a %{x}"},
        {"<", "&lt;"},
        {"<NA>", "<NA>"},
        {"<a <b x=1>href='y'>", "&lt;a <b>href='y'>"},
        {"<a <a>href='y'>", "&lt;a href='y'>"},
        {"<<a>a href=x>", "&lt;a href=x>"},
        {"< <a>b href=x>", "&lt; b href=x>"},
        {"< style='fill:url(http://e)'>", ""},
        {"<x\ty=z>", ""},
        {"<a\thref='y'>x", "x"},
        {"<a\nhref='y'>x", "x"},
        {"<a/href='y'>x", "x"},
    };
    for (const auto& [given, wanted] : cases) {
        INFO(given);
        CHECK(inert_plotly_text(given) == wanted);
        CHECK(inert_plotly_text(inert_plotly_text(given)) == inert_plotly_text(given));
    }
    CHECK(inert_plotly_text("$\\href{javascript:x}{y}$").find("\\href") == std::string::npos);
}

TEST_CASE("charts: bounds, policies, and how an output's options are judged") {
    CHECK(inert_chart("application/vnd.plotly.v1+json", R"({"data": []})").json == R"({"data":[]})");
    CHECK_FALSE(inert_chart("application/vnd.plotly.v1+json", "[]").json.has_value());
    CHECK_FALSE(inert_chart("application/vnd.plotly.v1+json", "{").json.has_value());
    CHECK_FALSE(inert_chart("application/vnd.vegalite.v5+json", std::string(100, '[') + std::string(100, ']'))
                    .json.has_value());
    CHECK_FALSE(
        inert_chart("application/vnd.vegalite.v5+json", "{\"a\":[1" + std::string(3'000'000, ',') + "]}")
            .json.has_value());
    // However it is made, its cost is what its size says.
    const auto seconds = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) {
            text += "<a <b x";
        }
        const auto start = std::chrono::steady_clock::now();
        inert_plotly_text(text);
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    (void)seconds(1000);
    CHECK(seconds(200'000) < 20 * seconds(50'000) + 0.5);
    const auto admit = [](const char* policy, const char* text) {
        std::vector<MimeItem> data{{"application/vnd.plotly.v1+json", RawJson{text}},
                                   {"text/html", "<div></div><script>Plotly</script>"s},
                                   {"text/plain", "f"s}};
        const auto lost = BundleRules(parse_policy(policy, "p").value().outputs).admit(data);
        return std::pair{data.front().type, lost.empty() ? std::string() : notice(*most_telling(lost), "p")};
    };
    const char* picture = R"({"data": [], "layout": {"images": [{"source": "http://e.example"}]}})";
    CHECK(admit("{}", R"({"data": []})") == std::pair{"application/vnd.plotly.v1+json"s, ""s});
    CHECK(admit("{}", picture).first == "text/plain");
    CHECK_THAT(admit("{}", picture).second,
               Contains("this plotly figure isn't shown: it has a picture that would be loaded"));
    CHECK(admit(R"({"outputs": {"html": "trust"}})", picture).first == "application/vnd.plotly.v1+json");
    const BundleRules rules(parse_policy("{}", "p").value().outputs);
    CHECK_FALSE(rules.inert("application/vnd.vegalite.v5+json", "{}").has_value());
    json bundle{{"application/vnd.vegalite.v5+json", {{"data", {{"url", "x"}}}}},
                {"application/json", nullptr}};
    CHECK(rules.admit(bundle));
    CHECK(bundle == json{{"application/json", nullptr}});
    CHECK(
        inert_metadata(
            RawJson{
                R"({"application/vnd.vegalite.v5+json":{"embed_options":{"loader":{"x":1},"theme":"dark","actions":false,"patch":"u","renderer":"svg"}}})"})
            .text ==
        R"({"application/vnd.vegalite.v5+json":{"embed_options":{"actions":false,"theme":"dark"}}})");
    CHECK(inert_metadata(RawJson{R"({"embed_options":"http://e"})"}).text == R"({"embed_options":{}})");
}
