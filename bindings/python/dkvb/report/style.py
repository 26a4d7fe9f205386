"""The style of the page: light or dark mode as the reader prefers, paper, and phones."""

CSS = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--muted:#686f78;--grid:#e3e6ea;--panel:#f5f6f8;--before:#7a7f87;--after:#1f66d1;--retrained:#0b7a5e;--forgotten:#b83a0b;--link:#1f66d1}
@media (prefers-color-scheme:dark){:root{--paper:#14171c;--ink:#e7eaee;--muted:#9aa3ad;--grid:#2d333b;--panel:#1d2228;--before:#a3abb5;--after:#6ea8ff;--retrained:#3ecfa5;--forgotten:#ff8f5e;--link:#8ab8ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:50rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.25rem;line-height:1.3;margin:2.4rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--grid)}
h3{font-size:1rem;margin:1.3rem 0 .3rem}
p,ul,ol,dl{margin:.5rem 0}
a{color:var(--link)}
.lead{color:var(--muted);margin-top:0}
.note{color:var(--muted);font-size:.9rem}
.left-out{border-left:3px solid var(--grid);padding:.2rem 0 .2rem .8rem;color:var(--muted)}
.promise{background:var(--panel);border-radius:6px;padding:.7rem 1rem;margin:.8rem 0}
.promise p{margin:.3rem 0}
figure{margin:1rem 0}
figcaption{color:var(--muted);font-size:.9rem}
svg.figure{display:block;width:100%;height:auto;max-width:33rem;margin:0 auto;overflow:visible}
.key{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;justify-content:center;font-size:.9rem;margin:.3rem 0;padding:0;list-style:none}
.key i{display:inline-block;width:.8em;height:.8em;margin-right:.4em;vertical-align:-.05em;background:currentColor}
.key .before{color:var(--before)}.key .after{color:var(--after)}.key .retrained{color:var(--retrained)}.key .forgotten{color:var(--forgotten)}.key .muted{color:var(--muted)}.key .ink{color:var(--ink)}
.key span{color:var(--ink)}
.key i.ring{background:none;border:2px solid currentColor;border-radius:50%}.key i.dot{border-radius:50%}
.key i.line,.key i.dash{height:0;width:1.6em;background:none;border-top:3px solid currentColor;vertical-align:.2em}.key i.dash{border-top-style:dashed}
.key i.tip{background:none;width:0;height:0;border:.42em solid transparent;border-top:0;border-bottom:.75em solid currentColor}
.scroll{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--grid);vertical-align:top;overflow-wrap:normal}
th{font-weight:600}
td.n,th.n{text-align:right}td.n{white-space:nowrap}
td .hash{display:block;min-width:17rem}
td.w{min-width:9rem;overflow-wrap:anywhere}
tr.forgotten th{color:var(--forgotten)}
code,pre,.hash{font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace}
pre{background:var(--panel);border-radius:6px;padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap}
.hash{overflow-wrap:anywhere;word-break:break-all}
dt{font-weight:600;margin-top:.5rem}dd{margin:0}
@media (max-width:30rem){body{padding:1rem .8rem 2rem}h1{font-size:1.4rem}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--muted:#444;--grid:#ccc;--panel:#f4f4f4;--before:#70757d;--after:#1a56b0;--retrained:#0a6b52;--forgotten:#a8340a;--link:#000}
body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}figure,tr,.promise{break-inside:avoid}.scroll{overflow:visible}svg.figure{max-width:11.5cm}a{text-decoration:none}}
"""
