// The panel beside the images: threshold, quality and verdicts.

const slider = byId("slider");
let labelled = null; // raw scores by label, as far as known
let labelledBy = null; // the verdicts that they were gathered with
let announcement = 0;

// Says something to screen readers, once it has come to rest.
function announce(text) {
  clearTimeout(announcement);
  announcement = setTimeout(() => setText(byId("status"), text), 300);
}

function setThreshold(threshold) {
  state.threshold = threshold;
  refresh();
  announce(thresholdInWords());
}

function thresholdInWords() {
  if (state.threshold === null) return "No threshold";
  const anomalous = above(allRaws, state.threshold);
  const rate = calibration ? `, false alarms at most ${percent(alarmRate(state.threshold))}` : "";
  const counts = `${counted(anomalous)} anomalous, ${counted(allRaws.length - anomalous)} normal`;
  return `Threshold ${plain(state.threshold)}: ${counts}${rate}`;
}

function renderThreshold() {
  const threshold = state.threshold;
  const anomalous = threshold === null ? null : above(allRaws, threshold);
  setText(byId("count-anomalous"), anomalous === null ? "–" : counted(anomalous));
  setText(byId("count-normal"), anomalous === null ? "–" : counted(allRaws.length - anomalous));
  slider.value = threshold === null ? 1000 : Math.round(1000 * scale.place(threshold));
  slider.setAttribute("aria-valuetext", thresholdInWords());
  setText(
    byId("threshold-text"),
    threshold === null
      ? "No threshold is set: move the slider to try one."
      : `An image is anomalous where its raw score is above ${plain(threshold)}.`,
  );
  setText(byId("rate-text"), rateInWords());
  byId("reset").disabled = threshold === (calibration ? calibration.threshold : null);
  moveCut();
}

function rateInWords() {
  if (!calibration) {
    return "The run is not calibrated, so nobody knows the false alarms of a threshold; nsa calibrate measures them.";
  }
  const rate = alarmRate(state.threshold);
  const images = counted(calibration.bounds.length);
  const option = Math.ceil(rate * 1e6 - 1e-6) / 1e6; // rounded up, it allows as many
  const kept = rate < 1 ? ` To keep it: --fpr ${option}.` : "";
  return `False alarms: at most ${percent(rate)} of normal images, by the ${images} of the calibration.${kept}`;
}

function renderQuality() {
  const by = hasTruth ? "" : storedText();
  if (labelledBy !== by) {
    labelledBy = by;
    labelled = labelledRaws();
    const usable = labelled.good.length > 0 && labelled.bad.length > 0;
    byId("quality").hidden = !usable;
    if (usable) drawRoc(labelled);
  }
  if (byId("quality").hidden) return;
  const { good, bad } = labelled;
  const threshold = state.threshold;
  const [alarms, hits] = threshold === null ? [0, 0] : [above(good, threshold), above(bad, threshold)];
  const cells = { hits, misses: bad.length - hits, alarms, rejections: good.length - alarms };
  for (const [id, number] of Object.entries(cells)) {
    setText(byId(id), threshold === null ? "–" : counted(number));
  }
  const found = `Found: ${counted(hits)} of ${counted(bad.length)} (${percent(hits / bad.length)}).`;
  const false_ = `False alarms: ${counted(alarms)} of ${counted(good.length)} (${percent(alarms / good.length)}).`;
  setText(byId("quality-text"), threshold === null ? "" : `${found} ${false_}`);
  moveRocPoint(alarms / good.length, hits / bad.length);
}

function renderVerdicts() {
  const judged = verdicts.filter(Boolean).length;
  const bad = verdicts.filter((verdict) => verdict === BAD).length;
  const split = judged ? `: ${counted(judged - bad)} good, ${counted(bad)} bad` : "";
  setText(byId("progress-text"), `${counted(judged)} of ${counted(entries.length)} judged${split}`);
  byId("progress").max = Math.max(1, entries.length);
  byId("progress").value = judged;
  byId("download").disabled = !judged;
  byId("undo").disabled = !history.length;
  setText(
    byId("storage-text"),
    stored
      ? "This browser keeps them for this page; other people need the file."
      : "This browser keeps nothing for this page, so verdicts live until it is closed; save them before.",
  );
}

function renderTold(sentences) {
  const told = byId("told");
  told.replaceChildren();
  for (const sentence of sentences) addText(told, "", sentence);
  told.hidden = !sentences.length;
  announce(sentences.slice(0, 4).join(" "));
}

function wirePanel() {
  let waiting = false;
  slider.addEventListener("input", () => {
    if (waiting) return; // one picture of the screen shows one threshold
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const place = Number(slider.value) / 1000;
      const run = calibration && scale.place(calibration.threshold);
      setThreshold(run !== null && Math.abs(place - run) <= 0.002 ? calibration.threshold : scale.raw(place));
    });
  });
  slider.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const now = state.threshold ?? Infinity;
    const steps = by > 0 ? scale.steps.filter((one) => one > now) : scale.steps.filter((one) => one < now);
    if (steps.length) setThreshold(by > 0 ? steps[0] : steps[steps.length - 1]);
  });
  byId("reset").addEventListener("click", () => setThreshold(calibration ? calibration.threshold : null));
  byId("download").addEventListener("click", download);
  byId("load").addEventListener("change", async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    const bytes = new Uint8Array(await file.arrayBuffer());
    event.target.value = "";
    renderTold(loadVerdicts(fromBytes(bytes)));
    refresh();
  });
}
