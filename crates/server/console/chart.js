// Charts of the last minutes: lines in SVG, with the numbers of the place that the pointer is at, and a table of the same.

import { el, svg, time } from "./dom.js";
import { stats } from "./stats.js";
import { bytes } from "./words.js";

const SPANS = [2, 5, 10, 15]; // min: what there is, or the last of them
const LEFT = 44; // room for the numbers
const TOP = 8;
const BOTTOM = 18;
const ROWS = 15; // of the table
const TICKS = { 2: [2, 1, 0], 5: [5, 4, 3, 2, 1, 0], 10: [10, 8, 6, 4, 2, 0], 15: [15, 10, 5, 0] };
const FEW_TICKS = { 5: [5, 3, 1, 0], 10: [10, 6, 3, 0] };

/** `series` are `{ name, at }`, where `at(index)` is the value of a sample or `null`; `format` says a value. */
export function chart(title, series, format, signal) {
  const figure = el("figure", "panel chart");
  const picture = svg("svg", { role: "img" });
  const legend = series.map(({ name }, number) => {
    const value = el("b", "");
    return { value, node: el("span", `key series-${number}`, el("i", "swatch"), name, " ", value) };
  });
  const table = el("details", "", el("summary", "", "As a table"));
  const caption = el("figcaption", "", el("h3", "", title), el("span", "legend", ...legend.map(({ node }) => node)));
  figure.append(caption, picture, table);
  let pointed = null; // where the pointer is, in pixels
  let frame = 0;

  const draw = () => {
    frame = 0;
    const { samples } = stats;
    const [width, height] = [Math.max(picture.clientWidth, 120), Math.max(picture.clientHeight, 80)];
    if (!samples.length) return;
    const end = samples.at(-1).time;
    const minutes = SPANS.find((span) => end - samples[0].time <= span * 60_000) ?? SPANS.at(-1);
    const x = (at) => LEFT + ((at - end) / (minutes * 60_000) + 1) * (width - LEFT - 6);
    const values = series.map(({ at }) => samples.map((_, index) => at(index)));
    const most = top(Math.max(...values.flat().filter((value) => value !== null), 0), format);
    const y = (value) => height - BOTTOM - (value / most) * (height - BOTTOM - TOP);

    const parts = [0, 0.5, 1].map((part) => level(y(part * most), width, format(part * most)));
    const ticks = (width < 340 && FEW_TICKS[minutes]) || TICKS[minutes];
    parts.push(...ticks.map((ago) => minute(x(end - ago * 60_000), height, ago, minutes)));
    values.forEach((line, number) => {
      parts.push(...stretches(line).map((points) => drawn(points.map((index) => [x(samples[index].time), y(line[index])]), number, y(0))));
    });
    const index = pointed === null ? samples.length - 1 : nearest(samples, pointed, x);
    if (pointed !== null) parts.push(svg("line", { class: "pointed", x1: x(samples[index].time), x2: x(samples[index].time), y1: TOP, y2: y(0) }));
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    picture.replaceChildren(...parts);
    legend.forEach(({ value }, number) => (value.textContent = said(values[number][index], format)));
    picture.setAttribute("aria-label", summary(title, series, values, format));
    if (table.open) fill(table, title, series, values, format);
  };
  const soon = () => (frame ||= requestAnimationFrame(draw));

  picture.addEventListener("pointermove", (event) => {
    pointed = event.offsetX;
    soon();
  });
  picture.addEventListener("pointerleave", () => {
    pointed = null;
    soon();
  });
  table.addEventListener("toggle", soon);
  const size = new ResizeObserver(soon);
  size.observe(picture);
  signal.addEventListener("abort", () => size.disconnect());
  stats.on(soon, signal);
  return figure;
}

const said = (value, format) => (value === null || value === undefined ? "–" : format(value));

/** The top of the scale: a round number that is not less. Bytes are round in their units. */
function top(value, format) {
  if (format !== bytes) return round(value, format(0.5) === format(0));
  const unit = 1024 ** Math.floor(Math.log2(Math.max(value, 1)) / 10);
  const most = round(value / unit, true);
  return (most > 500 ? 1024 : most) * unit;
}

function round(value, isWhole) {
  if (value <= 4) return isWhole || value > 2 ? 4 : 2;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].find((step) => step * power >= value) * power;
}

function level(y, width, text) {
  const label = svg("text", { x: LEFT - 7, y: y + 4, "text-anchor": "end" });
  label.textContent = text;
  return svg("g", { class: "level" }, svg("line", { x1: LEFT, x2: width - 6, y1: y, y2: y }), label);
}

function minute(x, height, ago, minutes) {
  const anchor = { [minutes]: "start", 0: "end" }[ago] ?? "middle";
  const label = svg("text", { x, y: height - 3, "text-anchor": anchor, class: "minute" });
  label.textContent = ago ? `−${ago} min` : "now";
  return label;
}

/** The samples between which there are values. */
function stretches(line) {
  const found = [];
  let open = null;
  line.forEach((value, index) => {
    if (value === null) return (open = null);
    if (!open || stats.isGap(index)) found.push((open = []));
    open.push(index);
  });
  return found;
}

function drawn(points, number, ground) {
  const line = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L");
  const first = points[0][0].toFixed(1);
  const last = points.at(-1)[0].toFixed(1);
  const area = svg("path", { class: "area", d: `M${first},${ground}L${line}L${last},${ground}Z` });
  return svg("g", { class: `series-${number}` }, area, svg("path", { class: "line", d: `M${line}` }));
}

const nearest = (samples, pixels, x) =>
  samples.reduce((best, sample, index) => (Math.abs(x(sample.time) - pixels) < Math.abs(x(samples[best].time) - pixels) ? index : best), 0);

function summary(title, series, values, format) {
  const parts = series.map(({ name }, number) => {
    const known = values[number].filter((value) => value !== null);
    if (!known.length) return `${name}: not known yet`;
    return `${name}: now ${format(known.at(-1))}, least ${format(Math.min(...known))}, most ${format(Math.max(...known))}`;
  });
  return `${title}, the last minutes. ${parts.join(". ")}.`;
}

function fill(details, title, series, values, format) {
  const head = el("tr", "", ...["Time", ...series.map(({ name }) => name)].map((name) => Object.assign(el("th", "", name), { scope: "col" })));
  const { samples } = stats;
  const step = Math.max(1, Math.ceil(samples.length / ROWS));
  const rows = [];
  for (let index = samples.length - 1; index >= 0 && rows.length < ROWS; index -= step) {
    rows.push(el("tr", "", el("td", "", time(samples[index].at)), ...values.map((line) => el("td", "", said(line[index], format)))));
  }
  const table = el("table", "numbers", el("caption", "unseen", title), el("thead", "", head), el("tbody", "", ...rows));
  details.replaceChildren(details.firstElementChild, table);
}
