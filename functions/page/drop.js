// The part of the page that images are dropped on.

import { post } from "./api.js";
import { fill, h, pause } from "./dom.js";
import { chosen, dropped, idOf, plan, Upload } from "./upload.js";
import { bytes, t } from "./words.js";

const MARK_TRIES = 15;

/** Fill the section; `arrived` is told of the id of a batch that something was uploaded to. */
export class Drop {
  constructor(section, config, arrived) {
    Object.assign(this, { section, config, arrived, plan: null, upload: null, note: "" });
    section.addEventListener("dragover", (event) => this.over(event, true));
    section.addEventListener("dragleave", (event) => this.over(event, false));
    section.addEventListener("drop", (event) => this.dropped(event));
    window.addEventListener("beforeunload", (event) => this.busy && event.preventDefault());
    this.show();
  }

  over(event, inside) {
    event.preventDefault();
    this.section.querySelector(".target")?.classList.toggle("over", inside);
  }

  async dropped(event) {
    this.over(event, false);
    if (!this.busy) this.take(await dropped(event.dataTransfer));
  }

  take(found) {
    this.plan = plan(found, this.config.max_image_bytes);
    this.upload = null;
    this.note = this.plan.images.length ? "" : t("noImages");
    this.show();
    this.section.querySelector("input[type=text]")?.focus();
  }

  /** Draw it anew, in the language of now. */
  show() {
    const body = this.upload ? this.uploading() : this.plan?.images.length ? this.planned() : this.empty();
    fill(this.section, h("h2", { id: "drop-title" }, t("drop")), body, h("p", { role: "status", class: "quiet" }, this.note));
  }

  empty() {
    const folder = h("input", { type: "file", class: "unseen", tabIndex: -1, webkitdirectory: true, multiple: true, ariaLabel: t("chooseFolder"), onchange: () => this.take(chosen(folder)) });
    const files = h("input", { type: "file", class: "unseen", tabIndex: -1, multiple: true, accept: "image/*", ariaLabel: t("chooseFiles"), onchange: () => this.take(chosen(files)) });
    return h("div", { class: "target" },
      h("p", {}, t("dropHere")),
      h("div", { class: "row" },
        h("button", { type: "button", class: "main", onclick: () => folder.click() }, t("chooseFolder")),
        h("button", { type: "button", onclick: () => files.click() }, t("chooseFiles"))),
      folder, files);
  }

  planned() {
    const { plan } = this;
    const { images, others, tooLarge } = plan;
    const name = h("input", { type: "text", value: plan.batch, oninput: () => { plan.batch = name.value; }, required: true, pattern: "[^\\/]+", title: t("batchNameHelp"), autocomplete: "off", spellcheck: false });
    const ready = h("input", { type: "checkbox", checked: plan.ready ?? true, onchange: () => { plan.ready = ready.checked; } });
    const left = [
      others.length ? t("leftOut", { count: others.length }) : null,
      tooLarge.length ? t("tooLarge", { count: tooLarge.length, limit: bytes(this.config.max_image_bytes) }) : null,
    ].filter(Boolean);
    const begin = (event) => {
      event.preventDefault();
      this.begin(name.value.trim(), ready.checked);
    };
    return h("form", { onsubmit: begin },
      h("label", { class: "field" }, t("batchName"), name),
      h("label", { class: "check" }, ready, t("readyAfter")),
      left.map((text) => h("p", { class: "quiet" }, text)),
      h("div", { class: "row" },
        h("button", { class: "main" }, t("upload", { count: images.length })),
        h("button", { type: "button", onclick: () => this.clear() }, t("clear"))));
  }

  uploading() {
    const { upload } = this;
    this.bar = h("progress", { max: upload.total, value: upload.sent + upload.known, ariaLabel: t("drop") });
    const left = upload.left.length + upload.failed.length;
    const buttons = this.busy
      ? [h("button", { type: "button", onclick: () => upload.stop() }, t("stop"))]
      : [left ? h("button", { type: "button", class: "main", onclick: () => this.go() }, upload.failed.length ? t("tryAgain", { count: left }) : t("goOn")) : null,
        h("button", { type: "button", onclick: () => this.clear() }, t("clear"))];
    return h("div", {}, this.bar, h("div", { class: "row" }, buttons));
  }

  begin(batch, ready) {
    this.batchId = idOf(batch);
    this.ready = ready;
    this.upload = new Upload(this.batchId, this.plan.images, (progress) => this.tell(progress));
    this.go();
  }

  tell({ done, total, bytes: size, allBytes }) {
    this.bar.value = done;
    this.say(t("uploading", { done, total, size: bytes(size), all: bytes(allBytes) }));
  }

  say(text) {
    this.note = text;
    this.section.querySelector("[role=status]").textContent = text;
  }

  async go() {
    this.busy = true;
    this.note = t("hashing");
    this.show();
    try {
      const all = await this.upload.run();
      this.note = all ? await this.close() : this.unfinished();
    } catch (problem) {
      this.note = problem.message;
      if (problem.status === 404) this.upload = null; // no batch can be called so
    }
    this.busy = false;
    this.show();
    if (this.upload?.sent || this.upload?.known) this.arrived(this.batchId);
  }

  unfinished() {
    const { failed, error } = this.upload;
    return failed.length ? t("uploadFailed", { count: failed.length, reason: error }) : t("stopped");
  }

  async close() {
    const { sent, known } = this.upload;
    const told = t("uploaded", { sent, known });
    if (!sent) return `${told} ${t("nothingNew")}`;
    if (!this.ready) return `${told} ${t("willWait")}`;
    // A number that a run never reaches would keep it open: only where all must be in one run.
    const inOne = !known && !this.upload.stopped && Date.now() - this.upload.began < 1000 * this.config.quiet_seconds;
    await this.mark(inOne ? { images: sent } : {});
    return `${told} ${t("willClose")}`;
  }

  /** Mark the batch as complete; S3 may not have told of the last uploads yet (409). */
  async mark(body) {
    for (let tries = MARK_TRIES; ; tries -= 1) {
      try {
        await post(`batches/${this.batchId}/ready`, body);
        return;
      } catch (problem) {
        if (problem.status !== 409) throw problem;
        if (!tries) return; // it goes quiet, and closes by itself
        await pause(1000);
      }
    }
  }

  clear() {
    Object.assign(this, { plan: null, upload: null, note: "" });
    this.show();
  }
}
