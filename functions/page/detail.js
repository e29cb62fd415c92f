// One batch: where its runs stand, its receipt, and what there is to see of its images.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { showDuplicates, showOutliers, showRejected } from "./gallery.js";
import { openImage } from "./image.js";
import { MapView } from "./map.js";
import { facts, receiptPicture } from "./receipt.js";
import { standing, t } from "./words.js";

const TABS = ["map", "rejected", "duplicates", "outliers"];

export class Detail {
  constructor(main, dialog) {
    Object.assign(this, { main, dialog, tab: "map", batch: null, turn: 0 });
    this.clear();
  }

  /** Show a batch, as the list of batches tells of it; what has not changed stays. */
  async update(told) {
    if (this.batch?.id !== told.id) {
      this.tab = "map";
      this.shownResults = null;
      this.batch = null;
      this.frame(told);
    }
    const turn = (this.turn += 1);
    const changed = JSON.stringify([told.newest.run, told.newest.state, told.newest.changed_at]);
    if (this.batch && changed === this.changed) {
      this.batch.runs[0] = told.newest;
    } else {
      const batch = await get(`batches/${told.id}`);
      if (turn !== this.turn) return; // another was chosen meanwhile
      Object.assign(this, { batch, changed });
    }
    this.showRuns();
    this.showResults();
  }

  /** No batch is shown; `why` is the word that says why. */
  clear(why = "choose") {
    this.turn += 1;
    this.batch = null;
    fill(this.main, h("p", { class: "card" }, t(why)));
  }

  /** Draw it anew, in the language of now. */
  retell() {
    if (!this.batch) return this.clear();
    this.frame(this.batch);
    this.showRuns();
    this.shownResults = null;
    this.showResults();
  }

  frame(told) {
    this.shownRuns = null;
    this.runs = h("section", { "aria-labelledby": "batch-title" });
    this.results = h("section", { hidden: true, ariaLabel: t("map") });
    this.title = h("h2", { id: "batch-title" }, told.batch);
    fill(this.main, this.runs, this.results);
  }

  showRuns() {
    const [newest, ...earlier] = this.batch.runs;
    const stamp = JSON.stringify(this.batch.runs);
    if (stamp === this.shownRuns) return; // or an opened list would close, and the focus go
    this.shownRuns = stamp;
    const open = this.runs.querySelector("details")?.open;
    fill(this.runs, this.title, this.run(newest, true),
      earlier.length ? h("details", { open }, h("summary", {}, `${t("runs")} (${earlier.length})`), earlier.map((run) => this.run(run))) : null);
  }

  run(run, isNewest = false) {
    const done = run.state === "DONE";
    const { progress } = run;
    return h("div", { class: "group" },
      h("p", { role: "status" }, h("b", {}, t("run", { number: run.run })), t("colon"), h("span", { class: `state-${run.state}` }, standing(run))),
      progress ? h("progress", { max: progress.total, value: progress.done, ariaLabel: standing(run) }) : run.finished ? null : h("progress", { ariaLabel: standing(run) }),
      run.receipt ? receiptPicture(run.receipt) : null,
      done ? facts(run, this.batch.id, isNewest) : null);
  }

  showResults() {
    const done = this.batch.runs.filter(({ state }) => state === "DONE");
    const stamp = JSON.stringify(done.map(({ run, changed_at }) => [run, changed_at]));
    this.results.hidden = !done.length;
    if (!done.length || stamp === this.shownResults) return;
    this.shownResults = stamp;
    const count = this.batch.rejected + this.batch.missing;
    this.panel = h("div", { role: "tabpanel", id: "panel", tabIndex: -1 });
    this.tabs = TABS.map((name) => h("button", {
      type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel",
      onclick: () => this.choose(name), onkeydown: (event) => this.step(event, name),
    }, t(name === "rejected" ? "rejectedTab" : name, { count })));
    fill(this.results, h("div", { role: "tablist", ariaLabel: this.batch.batch }, this.tabs), this.panel);
    this.choose(this.tab);
  }

  step(event, name) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = TABS[(TABS.indexOf(name) + by + TABS.length) % TABS.length];
    this.choose(next);
    document.getElementById(`tab-${next}`).focus();
  }

  async choose(name) {
    this.tab = name;
    for (const tab of this.tabs) {
      const mine = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(mine));
      tab.tabIndex = mine ? 0 : -1;
    }
    const panel = h("div");
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    fill(this.panel, panel);
    const open = (image) => openImage(this.dialog, image);
    try {
      if (name === "map") this.map = new MapView(panel, this.batch.id, open);
      if (name === "rejected") await showRejected(panel, this.batch);
      if (name === "duplicates") await showDuplicates(panel, this.batch, open);
      if (name === "outliers") await showOutliers(panel, this.batch, open);
    } catch (problem) {
      fill(panel, h("p", { role: "alert" }, problem.message));
    }
  }
}
