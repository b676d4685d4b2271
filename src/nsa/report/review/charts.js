// The scale of the slider, the distribution of scores on it, and the ROC curve.

const BINS = 48;
const scale = makeScale();

// Raw scores as places from 0 to 1: even among most images, logarithmic far above, where one defect
// may score a hundred times as high as another.
function makeScale() {
  const bounds = calibration ? calibration.bounds : [];
  const known = ascending([...allRaws, ...bounds, ...(calibration ? [calibration.threshold] : [])]);
  const [lowest, highest] = [known[0] ?? 0, known[known.length - 1] ?? 1];
  const pad = 0.02 * (highest - lowest) || Math.abs(highest) * 0.01 || 1;
  const low = lowest - pad;
  const high = highest + pad;
  const unit = Math.max((known[known.length >> 1] ?? 0) - low, (high - low) / 1000);
  const span = Math.log1p((high - low) / unit);
  return {
    place: (raw) => Math.log1p(Math.max(raw - low, 0) / unit) / span,
    raw: (place) => low + unit * Math.expm1(place * span),
    steps: [...new Set([low, ...known])], // thresholds between which something changes
  };
}

function drawn(name, attributes, parent) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
}

// Bars of normal, anomalous and unknown images; below them the calibration's.
function drawHistogram() {
  const svg = byId("histogram");
  const kinds = [GOOD, BAD, "unknown"];
  const bins = Array.from({ length: BINS }, () => [0, 0, 0]);
  const count = (raw, truth) => {
    const bin = Math.min(BINS - 1, Math.floor(scale.place(raw) * BINS));
    bins[bin][truth ?? 2] += 1;
  };
  entries.forEach((one) => count(one.raw, one.truth));
  page.left.raw.forEach((raw, index) => count(raw, page.left.truth[index]));
  const most = Math.max(1, ...bins.map((bin) => bin[0] + bin[1] + bin[2]));
  bins.forEach((bin, at) => {
    let bottom = 54;
    bin.forEach((number, kind) => {
      if (!number) return;
      const height = Math.max(1.5, 50 * Math.sqrt(number / most)) * (number / (bin[0] + bin[1] + bin[2]));
      bottom -= height;
      const where = { x: (at * 300) / BINS + 0.5, y: bottom, width: 300 / BINS - 1, height };
      drawn("rect", { ...where, class: kinds[kind] }, svg);
    });
  });
  for (const bound of new Set(calibration ? calibration.bounds : [])) {
    const x = 300 * scale.place(bound);
    drawn("line", { x1: x, x2: x, y1: 57, y2: 64, class: "bound" }, svg);
  }
  drawn("line", { id: "cut", y1: 0, y2: 64, class: "cut" }, svg);
  const colours = hasTruth ? ", red where the truth is anomalous" : "";
  const ticks = calibration ? "; ticks: the normal images of the calibration" : "";
  setText(byId("histogram-text"), `Bars: images by raw score${colours}${ticks}.`);
  svg.setAttribute("aria-label", `Distribution of the raw scores of ${counted(allRaws.length)} images`);
}

function moveCut() {
  const cut = byId("cut");
  cut.toggleAttribute("hidden", state.threshold === null);
  if (state.threshold === null) return;
  const x = 300 * scale.place(state.threshold);
  cut.setAttribute("x1", x);
  cut.setAttribute("x2", x);
}

// The points of a staircase without those along a step, of which there may be very many.
function corners(points) {
  const straight = (a, b, c, axis) => a[axis] === b[axis] && b[axis] === c[axis];
  return points.filter((point, at) => {
    const [before, after] = [points[at - 1], points[at + 1]];
    return !before || !after || ![0, 1].some((axis) => straight(before, point, after, axis));
  });
}

let roc = null; // of the labels that are known now

function drawRoc(labelled) {
  const svg = byId("roc");
  svg.replaceChildren();
  roc = rocCurve(labelled);
  drawn("rect", { x: 0, y: 0, width: 200, height: 200, class: "frame" }, svg);
  drawn("line", { x1: 0, y1: 200, x2: 200, y2: 0, class: "chance" }, svg);
  const points = corners(roc.points).map(([x, y]) => `${(200 * x).toFixed(2)},${(200 - 200 * y).toFixed(2)}`);
  drawn("polyline", { points: points.join(" "), class: "curve" }, svg);
  const texts = [
    [0, 214, "start", "0"], [200, 214, "end", "1"], [100, 227, "middle", "false alarms"],
    [-5, 200, "end", "0"], [-5, 8, "end", "1"],
  ];
  for (const [x, y, anchor, text] of texts) {
    drawn("text", { x, y, "text-anchor": anchor }, svg).textContent = text;
  }
  const found = drawn("text", { "text-anchor": "middle", transform: "translate(-12 100) rotate(-90)" }, svg);
  found.textContent = "found";
  const area = drawn("text", { x: 192, y: 188, "text-anchor": "end", class: "area" }, svg);
  area.textContent = `AUROC ${roc.area.toFixed(3)}`;
  drawn("circle", { id: "point", r: 5, class: "point" }, svg);
}

function moveRocPoint(alarms, found) {
  const point = byId("point");
  point.toggleAttribute("hidden", state.threshold === null);
  point.setAttribute("cx", 200 * alarms);
  point.setAttribute("cy", 200 - 200 * found);
  const here = state.threshold === null
    ? "" : `; at this threshold ${percent(found)} are found at ${percent(alarms)} false alarms`;
  byId("roc").setAttribute("aria-label", `ROC curve, AUROC ${roc.area.toFixed(3)}${here}`);
}
