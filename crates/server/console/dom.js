// Elements. Everything that is shown is made here, and text is only ever a text node.

import { clock } from "./words.js";

export const byId = (id) => document.getElementById(id);

/** An element with text and other elements in it; `false`, "" and the like leave nothing. */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child || child === 0));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function button(className, text, action) {
  const node = el("button", className, text);
  node.type = "button";
  node.addEventListener("click", action);
  return node;
}

export function link(address, className, ...children) {
  const node = el("a", className, ...children);
  node.href = address;
  return node;
}

let fields = 0;

/** A control with its label above it. */
export function field(label, control, className = "") {
  control.id ||= `field-${++fields}`;
  const name = el("label", "", label);
  name.htmlFor = control.id;
  return el("div", `field ${className}`, name, control);
}

export function input(attributes) {
  const node = el("input");
  Object.assign(node, { autocomplete: "off", spellcheck: false }, attributes);
  node.autocapitalize = "none";
  return node;
}

export function textarea(attributes) {
  return Object.assign(el("textarea"), { rows: 1, autocomplete: "off" }, attributes);
}

export function form(className, action, ...children) {
  const node = el("form", className, ...children);
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
  return node;
}

/** Enter sends the form, Shift+Enter begins a new line. */
export function sendsOnEnter(area) {
  area.title = "Enter sends, Shift+Enter begins a new line";
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  return area;
}

/** A part of a page, with its heading. */
export function panel(className, title, tools, ...children) {
  const heading = el("h3", "", title);
  heading.id = `panel-${++fields}`;
  const node = el("section", `panel ${className}`, el("div", "head", heading, ...tools), ...children);
  node.setAttribute("aria-labelledby", heading.id);
  return node;
}

/** The top of a page. */
export function heading(title, ...more) {
  return el("div", "title", el("h2", "", title), ...more);
}

export function facts(pairs) {
  const rows = pairs.filter(([, value]) => value || value === 0).map(([name, value]) => el("div", "", el("dt", "", name), el("dd", "", value)));
  return el("dl", "facts", ...rows);
}

export function time(text, className = "") {
  const node = el("time", className, clock(text));
  node.title = node.dateTime = new Date(text).toISOString();
  return node;
}

/** For readers of screens: said once, without moving anybody. */
export function announce(text) {
  byId("announcement").textContent = text;
}

/** What stands between backticks looks like code, as whoever wrote it meant. */
export function marked(text) {
  return text.split("`").map((part, index, parts) => (index % 2 && index < parts.length - 1 ? el("code", "", part) : part));
}

export function unseen(text) {
  return el("span", "unseen", text);
}

/** Copies, or where the page has no clipboard (it belongs to secure origins) selects. */
export function copyButton(what, node) {
  const copy = button("quiet", "Copy", async () => {
    getSelection().selectAllChildren(node);
    const copied = await navigator.clipboard?.writeText(node.textContent).then(() => true, () => false);
    say(copied ? "Copied" : "Selected");
    announce(copied ? "Copied" : "Selected: press Ctrl+C");
    setTimeout(() => say("Copy"), 1500);
  });
  const say = (word) => {
    copy.textContent = word;
    copy.ariaLabel = `${word} ${what}`;
  };
  say("Copy");
  return copy;
}
