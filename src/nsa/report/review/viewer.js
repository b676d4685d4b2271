// One image large, with its regions and all that is known of it.

const viewer = byId("viewer");
const missing = new Set(); // full-size pictures that are not beside the page
let everyPixel = false;

function openViewer(index) {
  state.current = index;
  if (!viewer.open) viewer.showModal();
  renderViewer();
  renderGallery();
}

function renderViewer() {
  if (!viewer.open) return;
  const index = state.current;
  const place = view.indexOf(index);
  setText(byId("viewer-name"), nameOf(index));
  setText(byId("viewer-place"), place < 0 ? "" : `${counted(place + 1)} of ${counted(view.length)}`);
  for (const verdict of [GOOD, BAD]) {
    byId(verdict).setAttribute("aria-pressed", verdicts[index] === verdict);
  }
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place >= view.length - 1;
  byId("viewer-heat").setAttribute("aria-pressed", state.heat);
  byId("regions").setAttribute("aria-pressed", state.regions);
  byId("regions").disabled = !entries[index].regions.length;
  byId("pixels").setAttribute("aria-pressed", everyPixel);
  showFacts(index);
  showPicture(index);
  showRegions(index);
  fitFrame();
}

function showFacts(index) {
  const entry = entries[index];
  const label = decision(index);
  const atRun = entry.predicted && entry.predicted !== label ? ` (by the run: ${entry.predicted})` : "";
  const facts = [
    ["Path", entry.path],
    ["Score", entry.score === null ? "" : entry.score.toFixed(4)],
    ["Raw score", plain(entry.raw)],
    ["Called", label && label + atRun],
    ["Truth", entry.truth === null ? "" : [NORMAL, ANOMALOUS][entry.truth]],
    ["Defect", entry.truth === 0 ? "" : (entry.defect ?? "")],
    ["Verdict", verdicts[index] || "none yet"],
    ["Size", `${entry.size[0]} × ${entry.size[1]} px`],
    ["Regions", entry.regions.map(([x, y, w, h, peak]) => `${plain(peak)} at ${x}, ${y} (${w} × ${h} px)`).join("\n")],
  ];
  byId("facts").replaceChildren();
  for (const [name, value] of facts) {
    if (!value) continue;
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    text.textContent = value;
    byId("facts").append(term, text);
  }
}

// The embedded picture at once, and the overlay beside the page as soon as it is read.
function showPicture(index) {
  const entry = entries[index];
  const [image, canvas] = [byId("large"), byId("large-heat")];
  const wanted = state.heat && entry.picture && !missing.has(entry.picture);
  const key = `${index} ${Boolean(wanted)}`;
  setText(byId("viewer-note"), noteOn(entry));
  canvas.hidden = !state.heat || image.dataset.full === key;
  if (image.dataset.key === key) return;
  image.dataset.key = key;
  delete image.dataset.full;
  image.alt = entry.path;
  image.src = pictureOf(index);
  canvas.hidden = !state.heat;
  drawHeat(canvas, index);
  if (!wanted) return;
  const full = new Image();
  full.onload = () => {
    if (image.dataset.key !== key) return;
    image.src = full.src;
    image.dataset.full = key;
    canvas.hidden = true;
    setText(byId("viewer-note"), noteOn(entry));
  };
  full.onerror = () => {
    missing.add(entry.picture);
    renderViewer();
  };
  full.src = addressOf(entry.picture);
}

function noteOn(entry) {
  const small = `${entry.small[0]} × ${entry.small[1]} px`;
  if (missing.has(entry.picture)) {
    return `${entry.picture} is not beside this page (was one of them moved?), so the embedded picture, of ${small}, is shown; no score and no verdict is lost.`;
  }
  if (state.heat && entry.picture) return "";
  return `This is the embedded picture, of ${small}.`;
}

function showRegions(index) {
  const entry = entries[index];
  const boxes = byId("boxes");
  boxes.replaceChildren();
  boxes.hidden = !state.regions;
  for (const [x, y, width, height, peak] of entry.regions) {
    const box = addText(boxes, "region", "");
    box.style.left = `${(100 * x) / entry.size[0]}%`;
    box.style.top = `${(100 * y) / entry.size[1]}%`;
    box.style.width = `${(100 * width) / entry.size[0]}%`;
    box.style.height = `${(100 * height) / entry.size[1]}%`;
    box.classList.toggle("inside", y < 0.05 * entry.size[1]);
    addText(box, "peak", plain(peak));
  }
}

// The whole image in the stage, or a pixel of it for each of the screen's.
function fitFrame() {
  const [stage, frame] = [byId("stage"), byId("frame")];
  const [width, height] = entries[state.current].size;
  stage.classList.toggle("every-pixel", everyPixel);
  const fitting = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  const scale = everyPixel ? 1 : fitting;
  frame.style.width = `${width * scale}px`;
  frame.style.height = `${height * scale}px`;
}
