// The map of a batch, or of all: hover, lasso, labels.

import { get } from "./api.js";
import { csvField, fill, h, save } from "./dom.js";
import { tile } from "./gallery.js";
import { Scatter } from "./scatter.js";
import { thumbnail } from "./thumbs.js";
import { n, t, told } from "./words.js";

const SHOWN = 24;
const FAINT = 28; // opacity of what is not chosen, of 255
const LABELS = 200;

/** Fill a panel with the map; `open` is called with an image that is clicked. */
export class MapView {
  constructor(panel, batchId, open) {
    Object.assign(this, { panel, batchId, open, everything: false, chosen: null });
    this.load();
  }

  /** Ask for the points, and draw them; what goes wrong is said. */
  async load() {
    try {
      await this.draw();
    } catch (problem) {
      fill(this.panel, h("p", { role: "alert" }, problem.message));
    }
  }

  async draw() {
    fill(this.panel, h("p", { class: "quiet" }, t("loading")));
    const query = this.everything ? {} : { batch: this.batchId };
    this.data = await get("map", { components: 2, ...query });
    this.chosen = null;
    this.show();
  }

  image(i) {
    const { files, file, path, labels, label } = this.data;
    return { ...files[file[i]], path: path[i], label: labels[label[i]] };
  }

  /** Draw it anew, in the language of now. */
  show() {
    if (!this.data) return;
    const { total } = this.data;
    if (!total && !this.everything) {
      fill(this.panel, h("p", {}, t("nothingToDraw")));
      return;
    }
    this.box = h("div", { class: "map", tabIndex: 0, role: "application", ariaLabel: t("mapName"), "aria-describedby": "map-help" });
    this.tip = h("div", { class: "tip", hidden: true });
    this.side = h("div", { class: "side" });
    fill(this.panel, this.tools(), h("div", { class: "mapside" }, this.box, this.side),
      h("p", { id: "map-help", class: "quiet" }, t(matchMedia("(pointer: coarse)").matches ? "mapHelpTouch" : "mapHelp")));
    try {
      this.scatter = new Scatter(this.box, {
        hovered: (i, x, y) => this.hover(i, x, y),
        picked: (i) => this.open(this.image(i)),
        lassoed: (points) => this.choose(points),
      });
    } catch {
      fill(this.box, h("p", {}, t("noWebgl")));
      return;
    }
    this.box.append(this.tip);
    this.colours();
    this.scatter.show(this.data.x, this.data.y, this.painted());
    this.showSide();
  }

  tools() {
    const { shown, total, rule } = this.data;
    const lasso = h("button", { type: "button", "aria-pressed": "false", title: t("lassoHelp"), onclick: () => this.toggleLasso(lasso) }, t("lasso"));
    const all = h("input", { type: "checkbox", checked: this.everything, onchange: () => { this.everything = all.checked; this.load(); } });
    const by = h("select", { onchange: () => this.recolour(by.value) },
      ["label", "batch"].map((value) => h("option", { value, selected: value === this.by }, t(value))));
    return h("div", { class: "row" },
      lasso,
      h("button", { type: "button", ariaLabel: t("zoomIn"), onclick: () => this.scatter.scale(1.5) }, "+"),
      h("button", { type: "button", ariaLabel: t("zoomOut"), onclick: () => this.scatter.scale(1 / 1.5) }, "−"),
      h("button", { type: "button", onclick: () => this.scatter.all() }, t("whole")),
      h("label", { class: "row" }, t("colourBy"), by),
      h("label", { class: "row" }, all, t("allImages")),
      h("span", { class: "quiet" }, [t("mapShown", { shown, total }), rule ? t("mapRule", { rule: told(rule) }) : null].filter(Boolean).join(", ")));
  }

  toggleLasso(button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    this.scatter.lasso(on);
    this.hover(null);
  }

  recolour(by) {
    this.by = by;
    this.colours();
    this.choose(null);
  }

  /** Group the points by label or batch, the largest group first, each with a colour of its own. */
  colours() {
    const { labels, label, files, file } = this.data;
    const batches = this.by === "batch";
    const names = batches ? [...new Set(files.map(({ batch }) => batch))] : labels;
    const number = new Map(names.map((name, i) => [name, i]));
    this.group = batches ? file.map((f) => number.get(files[f].batch)) : label;
    this.groups = names.map((name, i) => ({ name, count: 0, colour: hue(i) }));
    for (const i of this.group) this.groups[i].count += 1;
  }

  painted() {
    const colours = new Uint8Array(4 * this.group.length);
    const chosen = this.chosen && new Set(this.chosen);
    this.group.forEach((group, i) => {
      colours.set(this.groups[group].colour, 4 * i);
      colours[4 * i + 3] = !chosen || chosen.has(i) ? 210 : FAINT;
    });
    return colours;
  }

  choose(points, group = null) {
    this.chosen = points?.length ? points : null;
    this.chosenGroup = this.chosen ? group : null;
    this.scatter.colour(this.painted());
    this.showSide();
  }

  showSide() {
    const title = `${t(this.by === "batch" ? "batches" : "labels")} (${n(this.groups.length)})`;
    fill(this.side, this.chosen ? this.list() : null, h("h3", {}, title), this.legend());
  }

  legend() {
    const ordered = this.groups.map((group, i) => ({ ...group, i })).sort((a, b) => b.count - a.count);
    return h("ul", { class: "labels" }, ordered.slice(0, LABELS).map(({ name, count, colour, i }) => {
      const swatch = h("span", { class: "swatch" });
      swatch.style.background = `rgb(${colour.join(" ")})`;
      const pressed = this.chosenGroup === i;
      const pick = () => this.choose(pressed ? null : this.members(i), i);
      return h("li", {}, h("button", { type: "button", "aria-pressed": String(pressed), onclick: pick }, swatch, name || t("noLabel"), ` (${n(count)})`));
    }));
  }

  members(group) {
    return [...this.group.keys()].filter((i) => this.group[i] === group);
  }

  list() {
    const rows = () => this.chosen.map((i) => this.image(i));
    const download = () => {
      const lines = rows().map(({ path, label, batch, run }) => [path, label, batch, run].map(csvField).join(","));
      save("images.csv", ["path,label,batch,run", ...lines, ""].join("\r\n"), "text/csv");
    };
    return h("div", { class: "chosen" },
      h("p", { role: "status" }, t("chosen", { count: this.chosen.length })),
      h("div", { class: "row" },
        h("button", { type: "button", class: "main", onclick: download }, t("saveList")),
        h("button", { type: "button", onclick: () => this.choose(null) }, t("unchoose"))),
      h("ul", { class: "tiles" }, rows().slice(0, SHOWN).map((image) => h("li", {}, tile(image, this.open)))));
  }

  async hover(i, x, y) {
    this.tip.hidden = i === null;
    if (i === null || this.hovering === i) {
      if (i === null) this.hovering = null;
      return;
    }
    this.hovering = i;
    const image = this.image(i);
    const picture = h("img", { alt: "", hidden: true });
    fill(this.tip, picture, h("b", {}, image.label || t("noLabel")), h("br"), image.path.split("/").pop());
    this.tip.style.left = `${Math.min(x + 14, this.box.clientWidth - 150)}px`;
    this.tip.style.top = `${Math.min(y + 14, this.box.clientHeight - 150)}px`;
    const url = await thumbnail(image);
    if (url && this.hovering === i) Object.assign(picture, { src: url, hidden: false });
  }
}

/** Colours that neighbours in a list do not share: by the golden angle. */
function hue(i) {
  const degrees = (i * 137.508) % 360;
  const [light, chroma] = [0.5 + 0.12 * ((i % 3) - 1), 0.62];
  const channel = (shift) => {
    const k = (shift + degrees / 30) % 12;
    return Math.round(255 * (light - chroma * Math.min(light, 1 - light) * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}
