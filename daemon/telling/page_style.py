"""How the status page looks, and how it stays fresh."""

from typing import Final

ICON: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<path d="M2 16C7 8 25 8 30 16 25 24 7 24 2 16Z" fill="none" stroke="#b4690e" stroke-width="2.5"/>
<path d="M11 20v-4M16 22V10M21 20v-6" stroke="#b4690e" stroke-width="3" stroke-linecap="round"/>
</svg>
"""
"""An eye whose pupil is three bars."""

MARK: Final = """<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><path class="lid"
d="M2 16C7 8 25 8 30 16 25 24 7 24 2 16Z"/><path class="bars" d="M11 20v-4M16 22V10M21 20v-6"/></svg>"""

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #f6f4ef; --card: #fffefb; --soft: #666d78; --line: #e4dfd4;
  --look: #b4690e; --faint: #dcc9a8; --good: #1a7f4b; --bad: #b3261e; --up: #1a7f4b; --down: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #121417; --card: #1a1d21; --soft: #98a0ab;
  --line: #2b3036; --look: #f0a83c; --faint: #574425; --good: #5fcf94; --bad: #ff8a80; --up: #5fcf94;
  --down: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
main { margin: 0 auto; max-width: 70rem; padding: 1.25rem 1rem 2rem; }
header { display: flex; align-items: center; gap: .6rem; }
header p { margin: 0 0 0 auto; }
h1 { font-size: 1.25rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: .95rem; margin: 0 0 .6rem; font-weight: 600; } h2 .soft { font-weight: 400; }
svg.mark { width: 2rem; height: 2rem; flex: none; fill: none; stroke: var(--look); stroke-width: 2.5; }
svg.mark .bars { stroke-width: 3; stroke-linecap: round; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.up { color: var(--up); } .down { color: var(--down); }
ul.conditions { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; padding: 0; }
.conditions li, .chip { background: var(--card); border: 1px solid var(--line); border-radius: 2rem;
  padding: .2rem .8rem; }
.conditions li span:not(.mark), .conditions b, .chip { color: var(--ink); }
.conditions li > span:last-child { color: var(--soft); }
.conditions li.bad { border-color: var(--bad); }
.chip { display: inline-block; margin: 0 .5rem .3rem 0; } .chip b.good { color: var(--good); }
.chip b.bad { color: var(--bad); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .5rem 1.5rem; margin: 1rem 0; }
dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .8rem; padding: 1rem; margin: 1rem 0; }
section.average svg { width: 100%; height: 7rem; } .average p { margin: .5rem 0 0; }
.average .axis { display: flex; justify-content: space-between; margin: .2rem 0 .6rem; font-size: .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .7rem; border-top: 1px solid var(--line); white-space: nowrap; }
thead th { border: 0; color: var(--soft); font-weight: 500; font-size: .8rem; }
th:first-child { text-align: left; padding-left: 0; } td:last-child, thead th:last-child { padding-right: 0; }
tbody th, .value { font-weight: 600; }
td.look { width: 40%; min-width: 9rem; } td.look svg { width: 100%; height: 1.7rem; }
svg.chart { display: block; } rect { fill: var(--look); } rect.faint { fill: var(--faint); }
line { stroke: var(--soft); stroke-dasharray: 3 3; vector-effect: non-scaling-stroke; opacity: .7; }
footer { color: var(--soft); font-size: .85rem; } footer a { color: inherit; margin-right: .8rem; }
nav { margin-top: .3rem; }
@media (max-width: 42rem) {
  header p { font-size: .85rem; } .conditions li { border-radius: .8rem; width: 100%; }
  dl { grid-template-columns: 1fr 1fr; }
  thead { display: none; }
  tr { display: flex; flex-wrap: wrap; align-items: baseline; padding: .6rem 0; border-top: 1px solid var(--line); }
  tbody tr:first-child { border: 0; }
  tbody th, td { border: 0; padding: 0; } tbody th { margin-right: auto; } .value { margin-left: .8rem; }
  td.look { order: 1; flex: 0 0 100%; padding: .4rem 0; } td.look svg { height: 2.4rem; }
  td.entropy, td.closed, td.age { order: 2; font-size: .8rem; margin-right: 1rem; }
  td.entropy::before { content: "entropy "; } td.closed { margin-right: auto; } td.age { margin: 0; }
}
"""

# Fetches the page again and swaps its content: no flash, and one stays where one has scrolled to. Only the content is
# parsed, for the policy would refuse the fresh page's style, whose nonce is another.
SCRIPT: Final = """
setInterval(async () => {
  try {
    const page = await (await fetch(location.href, {cache: "no-store"})).text();
    const main = page.slice(page.lastIndexOf("<main>"));
    const fresh = new DOMParser().parseFromString(main, "text/html");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.title = document.querySelector("h1").textContent;
  } catch { document.title = "away: " + document.title.replace(/^away: /, ""); }
}, REFRESH_MS);
"""
