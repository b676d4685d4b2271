// Verdicts: kept by the browser under the page's own key, undone, downloaded and loaded.

const storageKey = `nsa-review-${page.id}`;
const letters = { "": "-", [GOOD]: "g", [BAD]: "b" };
const history = []; // of lists of [index, verdict before]
let stored = true; // whether the browser keeps them; else the page says so, see panel.js
let downloaded = true; // whether all verdicts of this visit are in a file

const storedText = () => verdicts.map((verdict) => letters[verdict]).join("");

function setVerdicts(text) {
  entries.forEach((_, index) => {
    verdicts[index] = { g: GOOD, b: BAD }[text[index]] ?? "";
  });
}

function readStored() {
  let text = "";
  try {
    text = localStorage.getItem(storageKey) ?? "";
    localStorage.setItem(`${storageKey}-probe`, "1"); // reading may be allowed where writing is not
    localStorage.removeItem(`${storageKey}-probe`);
  } catch {
    stored = false;
  }
  setVerdicts(text);
}

function store() {
  downloaded = false;
  try {
    localStorage.setItem(storageKey, storedText());
    stored = true;
  } catch {
    stored = false;
  }
}

// Sets verdicts, [index, verdict] each, which one undo takes back together.
function judge(changes) {
  const before = changes.map(([index]) => [index, verdicts[index]]);
  if (changes.every(([index, verdict]) => verdicts[index] === verdict)) return;
  history.push(before);
  for (const [index, verdict] of changes) verdicts[index] = verdict;
  store();
}

// Returns the first image whose verdict is taken back, or null.
function undo() {
  const before = history.pop();
  if (!before) return null;
  for (const [index, verdict] of before) verdicts[index] = verdict;
  store();
  return before[0][0];
}

function verdictsAsCsv() {
  const judged = [...entries.keys()].filter((index) => verdicts[index]).sort(byPath);
  const lines = judged.map((index) => `${csvCell(entries[index].path)},${verdicts[index]}\n`);
  return toBytes(`path,verdict\n${lines.join("")}`);
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([verdictsAsCsv()], { type: "text/csv" }));
  link.download = "verdicts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  downloaded = true;
}

// Takes the verdicts of a file's text, and returns sentences about it, the first of them the sum.
function loadVerdicts(text) {
  let rows;
  try {
    rows = parseCsv(text);
  } catch (error) {
    return [`Nothing was loaded. ${error.message}`];
  }
  const heading = rows.length ? rows[0].cells : [];
  const [path, verdict] = [heading.indexOf("path"), heading.indexOf("verdict")];
  if (path < 0 || verdict < 0) {
    return ["Nothing was loaded: the first line of the file must name the columns path and verdict."];
  }
  const { chosen, told } = readLines(rows.slice(1), path, verdict);
  const changes = [];
  let same = 0;
  for (const [index, { verdict: value, line }] of chosen) {
    const present = verdicts[index];
    if (present === value) same += 1;
    else if (!present) changes.push([index, value]);
    else {
      told.push([line, `${entries[index].path} is ${value} in the file but ${present} on this page, which is kept.`]);
    }
  }
  if (changes.length) judge(changes);
  const sum = `${counted(changes.length)} ${changes.length === 1 ? "verdict was" : "verdicts were"} loaded`;
  const known = same ? `, and ${counted(same)} that the page already had.` : ".";
  told.sort((a, b) => a[0] - b[0]);
  return [sum + known, ...told.map(([line, sentence]) => `Line ${line}: ${sentence}`)];
}

// The verdict of each image that the lines name, without those that contradict each other.
function readLines(rows, path, verdict) {
  const places = new Map(entries.map((one, index) => [one.path, index]));
  const chosen = new Map();
  const contradicted = new Set();
  const told = [];
  for (const { line, cells } of rows) {
    const [name, value] = [cells[path] ?? "", (cells[verdict] ?? "").trim().toLowerCase()];
    const index = places.get(name);
    const first = chosen.get(index);
    if (value !== GOOD && value !== BAD) {
      told.push([line, `the verdict of ${name || "no path"} is “${value}”, which is neither good nor bad.`]);
    } else if (index === undefined) told.push([line, `${name || "An empty path"} is not on this page.`]);
    else if (!first) chosen.set(index, { verdict: value, line });
    else if (first.verdict !== value) {
      contradicted.add(index);
      told.push([line, `${name} is ${value} here but ${first.verdict} in line ${first.line}; neither is taken.`]);
    }
  }
  for (const index of contradicted) chosen.delete(index);
  return { chosen, told };
}
