"""The page's style and its few lines of script; both work without a network."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --text: #1b2330; --soft: #5b6675; --rule: #e1e5ea;
  --good: #17703f; --good-page: #e6f4ec; --bad: #8a4b00; --bad-page: #fff3dc; --focus: #2b62d9;
  --s0: #2b62d9; --s1: #d2600a; --s2: #1f8a56; --s3: #9343c4; --s4: #b3224f; --s5: #5b6675;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --card: #1b2027; --text: #e6e9ee; --soft: #a0a9b6; --rule: #313842;
    --good: #6fd39b; --good-page: #14301f; --bad: #f3bd6a; --bad-page: #352609; --focus: #7da6ff;
    --s0: #7da6ff; --s1: #f59a55; --s2: #5fcf95; --s3: #c793ee; --s4: #f2789c; --s5: #a0a9b6;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
    sans-serif;
}
main, footer { max-width: 1160px; margin: 0 auto; padding: 0 20px; }
header { margin: 32px 0 20px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0; }
p { margin: 0 0 8px; }
.soft, .note, .none { color: var(--soft); }
.note, .none { font-size: 13.5px; margin: 6px 0 0; }
.card, .chart {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px 18px;
  margin: 0; min-width: 0;
}
.verdict { border-radius: 10px; padding: 16px 20px; margin: 0 0 16px; }
.verdict h2 { margin: 0 0 2px; }
.verdict.good { background: var(--good-page); }
.verdict.good h2 { color: var(--good); }
.verdict.bad { background: var(--bad-page); }
.verdict.bad h2, .warning h3 { color: var(--bad); }
.warning { border-left: 4px solid var(--bad); margin: 0 0 12px; }
.warning dl {
  display: grid; grid-template-columns: max-content 1fr; gap: 4px 14px; margin: 8px 0 0;
}
.warning dt { color: var(--soft); }
.warning dd { margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px; }
.tiles b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: 13.5px; }
.two, .charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 16px; }
.stack { display: grid; gap: 16px; align-content: start; }
figcaption { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: baseline; }
.legend { display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 13.5px; color: var(--soft); }
.key b { color: var(--text); font-variant-numeric: tabular-nums; }
.swatch {
  display: inline-block; width: 14px; height: 3px; border-radius: 2px; vertical-align: middle;
  margin-right: 3px;
}
svg { display: block; width: 100%; height: auto; margin-top: 6px; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); }
.mark { stroke: var(--soft); stroke-dasharray: 3 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.band { opacity: .18; stroke: none; } .error { stroke-width: 1.2; opacity: .7; }
.pointer line { stroke: var(--soft); } .pointer text { fill: var(--text); }
.best { fill: none; stroke: var(--text); stroke-width: 1.6; }
.swatch.s0 { background: var(--s0); } .swatch.s1 { background: var(--s1); }
.swatch.s2 { background: var(--s2); } .swatch.s3 { background: var(--s3); }
.swatch.s4 { background: var(--s4); } .swatch.s5 { background: var(--s5); }
.line.s0, .error.s0 { stroke: var(--s0); } .line.s1, .error.s1 { stroke: var(--s1); }
.line.s2, .error.s2 { stroke: var(--s2); } .line.s3, .error.s3 { stroke: var(--s3); }
.line.s4, .error.s4 { stroke: var(--s4); } .line.s5, .error.s5 { stroke: var(--s5); }
.dot.s0, .band.s0 { fill: var(--s0); } .dot.s1, .band.s1 { fill: var(--s1); }
.dot.s2, .band.s2 { fill: var(--s2); } .dot.s3, .band.s3 { fill: var(--s3); }
.dot.s4, .band.s4 { fill: var(--s4); } .dot.s5, .band.s5 { fill: var(--s5); }
.picture { text-align: center; }
.picture img { display: block; width: 100%; max-width: 520px; height: auto; margin: 10px auto 0; }
.picture figcaption { justify-content: space-between; }
.small img { image-rendering: pixelated; }
.slider { display: flex; gap: 12px; align-items: center; max-width: 520px; margin: 10px auto 0; }
.slider[hidden] { display: none; }
.slider input { flex: 1; accent-color: var(--focus); }
.step { font-variant-numeric: tabular-nums; color: var(--soft); font-size: 14px; }
.strip { display: flex; gap: 12px; overflow-x: auto; padding: 4px 2px 12px; margin: 12px 0 0; }
.strip figure { margin: 0; flex: none; width: 150px; text-align: center; }
.strip img { display: block; width: 150px; height: auto; border-radius: 4px; }
.strip figcaption { display: block; margin-top: 2px; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; }
th, td {
  text-align: left; vertical-align: top; padding: 5px 14px 5px 0;
  border-bottom: 1px solid var(--rule);
}
tr:last-child th, tr:last-child td { border-bottom: 0; }
th { font-weight: 500; color: var(--soft); white-space: nowrap; }
td { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
code { font: 13.5px/1.5 ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
footer { margin-top: 40px; padding-bottom: 40px; color: var(--soft); font-size: 13.5px; }
@media (max-width: 760px) {
  .two, .charts { grid-template-columns: minmax(0, 1fr); }
  .card, .chart { padding: 14px; }
  .warning dl { grid-template-columns: minmax(0, 1fr); }
  .warning dd { margin-bottom: 6px; }
}
@media print { .strip { flex-wrap: wrap; } .slider { display: none; } }
"""

# The slider chooses among the pictures of the strip; without a script the last one stands there.
# Under the pointer, a chart's legend shows the values there instead of the last ones.
SCRIPT = """
const grids = [...document.querySelectorAll(".strip img")];
const slider = document.querySelector(".slider input");
if (slider && grids.length > 1) {
  const view = document.getElementById("view");
  const show = i => {
    slider.value = i;
    view.src = grids[i].src;
    view.alt = grids[i].alt;
    document.getElementById("view-step").textContent = grids[i].dataset.step;
  };
  slider.addEventListener("input", () => show(+slider.value));
  grids.forEach((grid, i) => grid.addEventListener("click", () => show(i)));
  document.querySelector(".slider").hidden = false;
  show(grids.length - 1);
}
for (const chart of document.querySelectorAll(".chart svg")) {
  const lines = JSON.parse(chart.dataset.lines);
  const [left, right, last] = chart.dataset.x.split(" ").map(Number);
  const shown = [...chart.closest("figure").querySelectorAll(".key b")];
  const before = shown.map(value => value.textContent);
  const pointer = chart.querySelector(".pointer");
  const nearest = (steps, step) => steps.reduce(
    (best, s, i) => Math.abs(s - step) < Math.abs(steps[best] - step) ? i : best, 0);
  chart.addEventListener("pointermove", event => {
    const box = chart.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
    const step = Math.min(Math.max((x - left) / (right - left), 0), 1) * last;
    const at = lines.map(([steps]) => nearest(steps, step));
    at.forEach((i, line) => { shown[line].textContent = lines[line][1][i]; });
    const place = lines[0][0][at[0]];
    const line = pointer.querySelector("line");
    line.setAttribute("x1", left + place / last * (right - left));
    line.setAttribute("x2", left + place / last * (right - left));
    pointer.querySelector("text").textContent = "step " + place.toLocaleString("en");
    pointer.setAttribute("visibility", "visible");
  });
  chart.addEventListener("pointerleave", () => {
    shown.forEach((value, line) => { value.textContent = before[line]; });
    pointer.setAttribute("visibility", "hidden");
  });
}
"""
