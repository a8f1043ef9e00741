"""The style sheet of the HTML report: light, dark and print."""

from __future__ import annotations

# Series colours: Okabe and Ito 2008, told apart with every kind of colour vision; lighter ones on dark.
CSS = """
:root{--ink:#1c2430;--muted:#5b6676;--grid:#dde2e8;--bg:#fff;--band:#f4f7fa;--accent:#0b63b6;--second:#b45309;
--plain:#a9b4c2;--s1:#0b63b6;--s2:#b45309;--s3:#007a5a;--s4:#a3407c;--s5:#59636f;--chosen:#e8f1fb}
@media (prefers-color-scheme:dark){:root{--ink:#e7ecf2;--muted:#9aa7b6;--grid:#343e4a;--bg:#12171d;--band:#1a2129;
--accent:#5cabf5;--second:#f0a04b;--plain:#566475;--s1:#5cabf5;--s2:#f0a04b;--s3:#3fc79a;--s4:#e58fc4;--s5:#b4bfcb;
--chosen:#16293d}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:74rem;background:var(--bg);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{margin:0 0 .75rem;font-size:2rem;line-height:1.15;overflow-wrap:anywhere}
h2{margin:2.5rem 0 .75rem;font-size:1.25rem}
.kicker{margin:0;color:var(--muted);font-size:.85rem}
.best{margin:0 0 1.25rem;padding:.75rem 1rem;border-left:4px solid var(--accent);background:var(--chosen)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.75rem 1.5rem;margin:0}
dl div:nth-last-child(-n+2){grid-column:1/-1}
dt{color:var(--muted);font-size:.8rem}
dd{margin:0;overflow-wrap:anywhere}
.frame{overflow-x:auto}
.frame:focus-visible{outline:2px solid var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.4rem .6rem;border-bottom:1px solid var(--grid);text-align:right;white-space:nowrap;vertical-align:top}
thead th{white-space:normal;min-width:5.6rem;color:var(--muted);font-weight:600;vertical-align:bottom}
th:first-child{text-align:left;position:sticky;left:0;background:var(--bg)}
tbody th{font-weight:500}
tbody tr:hover>*{background:var(--band)}
tr.chosen>*,tr.chosen>th:first-child{background:var(--chosen)}
td small{display:block;color:var(--muted);font-size:.74rem}
td.top{font-weight:700}
td.top small{font-weight:400}
.marks,sup{color:var(--muted);font-size:.78rem;font-weight:400}
sup{margin-left:.25em;line-height:0;font-size:.72rem}
thead th.lettered,td.lettered{text-align:left}
.legend,figcaption{margin:.5rem 0 0;color:var(--muted);font-size:.85rem;max-width:48rem}
figcaption p{margin:0 0 .3rem}
figure{margin:0}
figure+.frame{margin-top:1rem}
svg{display:block;width:100%;min-width:36rem;max-width:56rem;height:auto}
summary{margin:1.5rem 0 .5rem;font-size:1.1rem;font-weight:600;cursor:pointer}
.warning{border-color:var(--second);background:var(--band)}
svg text{font-family:inherit}
li{margin:.25rem 0;max-width:48rem}
@media (max-width:40rem){tbody th{white-space:normal;overflow-wrap:anywhere;max-width:8.5rem}th,td{padding:.4rem}}
@media print{:root{--ink:#000;--muted:#444;--grid:#ccc;--bg:#fff;--chosen:#eee;--accent:#0b63b6;--second:#b45309;
--plain:#a9b4c2;--s1:#0b63b6;--s2:#b45309;--s3:#007a5a;--s4:#a3407c;--s5:#59636f}
@page{size:A4;margin:14mm}
body{max-width:none;padding:0;font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.frame{overflow:visible}details::details-content{display:block;content-visibility:visible;height:auto}
svg{min-width:0}table{font-size:7.5pt}th,td{padding:.15rem .3rem}th:first-child{position:static}
figure,tr,.best,li{break-inside:avoid}h2{break-after:avoid}}
"""
