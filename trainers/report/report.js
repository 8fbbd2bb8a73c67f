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
