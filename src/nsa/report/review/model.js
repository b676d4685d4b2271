// What is known of the images, what is chosen on the page, and what follows from both.

const page = JSON.parse(byId("data").textContent);
const entries = page.entries; // the most anomalous first
const calibration = page.decisions; // null: not calibrated
const ANOMALOUS = "anomalous";
const NORMAL = "normal";
const GOOD = "good";
const BAD = "bad";

const verdicts = new Array(entries.length).fill(""); // of each image: good, bad or nothing
const state = {
  threshold: calibration ? calibration.threshold : null,
  filter: "all",
  order: "score",
  heat: true,
  regions: true,
  current: 0, // index among the entries
};
let view = []; // indices of the entries that are shown, in their order

const ascending = (values) => Float64Array.from(values).sort();
const allRaws = ascending([...entries.map((one) => one.raw), ...page.left.raw]);
const hasTruth =
  entries.some((one) => one.truth !== null) || page.left.truth.some((one) => one !== null);

// How many of ascending values are above a limit, or also at it.
function above(values, limit, orAt = false) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] > limit || (orAt && values[middle] === limit)) high = middle;
    else low = middle + 1;
  }
  return values.length - low;
}

function nameOf(index) {
  return entries[index].path.split(/[\\/]/).pop() || entries[index].path;
}

// What the present threshold says of an image; nothing without one.
function decision(index) {
  if (state.threshold === null) return "";
  return entries[index].raw > state.threshold ? ANOMALOUS : NORMAL;
}

const asVerdict = { [ANOMALOUS]: BAD, [NORMAL]: GOOD };
const truthAsVerdict = (index) => ["good", "bad"][entries[index].truth] ?? "";

// Whether any two of decision, truth and verdict differ.
function disagrees(index) {
  const said = [asVerdict[decision(index)] ?? "", truthAsVerdict(index), verdicts[index]];
  return said.includes(GOOD) && said.includes(BAD);
}

// The share of normal images above a threshold, by the calibration's p-values.
function alarmRate(threshold) {
  const bounds = calibration.bounds;
  return (1 + above(bounds, threshold)) / (bounds.length + 1);
}

const filters = {
  all: () => true,
  anomalous: (index) => decision(index) === ANOMALOUS,
  normal: (index) => decision(index) === NORMAL,
  unjudged: (index) => !verdicts[index],
  disagree: disagrees,
};

const byPath = (a, b) => (entries[a].path < entries[b].path ? -1 : 1);
const distance = (index) => Math.abs(entries[index].raw - state.threshold);
const orders = {
  score: (a, b) => a - b,
  reverse: (a, b) => b - a,
  uncertain: (a, b) => distance(a) - distance(b) || a - b,
  path: byPath,
};

function chooseView() {
  view = [...entries.keys()].filter(filters[state.filter]).sort(orders[state.order]);
}

// Raw scores of normal and anomalous images, ascending, by the truth; without it, by the verdicts.
function labelledRaws() {
  const raws = { good: [], bad: [] };
  entries.forEach((one, index) => {
    const label = hasTruth ? truthAsVerdict(index) : verdicts[index];
    if (label) raws[label].push(one.raw);
  });
  page.left.raw.forEach((raw, index) => {
    const truth = page.left.truth[index];
    if (truth !== null) raws[truth ? BAD : GOOD].push(raw);
  });
  return { good: ascending(raws.good), bad: ascending(raws.bad) };
}

// Points [false alarms, found] as shares, from the highest threshold down, and the area below.
function rocCurve({ good, bad }) {
  const points = [[0, 0]];
  let area = 0;
  for (const limit of [...new Set([...good, ...bad])].sort((a, b) => b - a)) {
    const alarms = above(good, limit, true) / good.length; // images of one score come together
    const found = above(bad, limit, true) / bad.length;
    const [before, foundBefore] = points[points.length - 1];
    area += ((alarms - before) * (found + foundBefore)) / 2;
    points.push([alarms, found]);
  }
  return { points, area };
}
