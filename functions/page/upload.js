// Uploading a folder: what is there already is not sent again, what fails is tried again.

import { post } from "./api.js";
import { pause } from "./dom.js";

const NAMES_AT_ONCE = 200;
const TOGETHER = 6;
const TRIES = 4;
const FORM_MS = 12 * 60 * 1000; // forms are good for 15 minutes
const TYPES = {
  jpg: "jpeg", jpeg: "jpeg", jpe: "jpeg", jfif: "jpeg", png: "png", webp: "webp", gif: "gif", bmp: "bmp",
  dib: "bmp", tif: "tiff", tiff: "tiff", heic: "heic", heif: "heif", avif: "avif", jp2: "jp2", psd: "vnd.adobe.photoshop",
  jxl: "jxl", j2k: "jp2", hif: "heif", ico: "x-icon", ppm: "x-portable-pixmap", pgm: "x-portable-graymap", pbm: "x-portable-bitmap",
  raw: "x-raw", cr2: "x-canon-cr2", cr3: "x-canon-cr3", nef: "x-nikon-nef", dng: "x-adobe-dng", arw: "x-sony-arw",
  raf: "x-fuji-raf", orf: "x-olympus-orf", rw2: "x-panasonic-rw2", pef: "x-pentax-pef",
};

/** The files in what was dropped, as `{name, file}`; names keep their folders. */
export async function dropped(transfer) {
  const found = [];
  const entries = [];
  for (const item of transfer.items) {
    const entry = item.webkitGetAsEntry();
    const file = entry ? null : item.getAsFile();
    if (entry) entries.push(entry);
    if (file) found.push({ name: file.name, file });
  }
  for (const entry of entries) await walk(entry, "", found);
  return found;
}

/** The files that an `<input type=file>` chose, in the same shape. */
export function chosen(input) {
  return [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
}

async function walk(entry, folder, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: folder + entry.name, file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const inner of some) await walk(inner, `${folder}${entry.name}/`, found);
  }
}

/** What to upload: the folder that holds all files names the batch. Files that are no images, and
 *  those that are too large, are told apart. */
export function plan(found, mostBytes) {
  const tops = new Set(found.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const top = tops.size === 1 ? [...tops][0] : "";
  const files = found.map(({ name, file }) => ({
    name: top ? name.slice(top.length + 1) : name, file, type: typeOf(file),
  }));
  return {
    batch: top || `photos-${new Date().toISOString().slice(0, 10)}`,
    images: files.filter(({ type, file }) => type && file.size <= mostBytes),
    others: files.filter(({ type }) => !type),
    tooLarge: files.filter(({ type, file }) => type && file.size > mostBytes),
  };
}

function typeOf(file) {
  const ending = file.name.includes(".") ? file.name.split(".").pop().toLowerCase() : "";
  if (TYPES[ending]) return `image/${TYPES[ending]}`;
  return file.type.startsWith("image/") && file.type !== "image/svg+xml" ? file.type : null;
}

/** One upload of a plan, which can be stopped and gone on with. `progress` is called with
 *  `{done, total, bytes, allBytes}`. */
export class Upload {
  constructor(batchId, images, progress) {
    Object.assign(this, { batchId, left: [...images], progress, sent: 0, known: 0, failed: [] });
    this.total = images.length;
    this.allBytes = images.reduce((sum, { file }) => sum + file.size, 0);
    this.bytes = 0;
    this.error = "";
  }

  /** Send all that is left; true when nothing is. */
  async run() {
    this.stopping = new AbortController();
    this.began ??= Date.now();
    this.left.push(...this.failed.splice(0));
    while (this.left.length && !this.stopping.signal.aborted) {
      await this.sendSome(this.left.splice(0, NAMES_AT_ONCE));
    }
    return !this.left.length && !this.failed.length;
  }

  /** Stop; `run` goes on later. */
  stop() {
    this.stopped = true;
    this.stopping?.abort();
  }

  async sendSome(some) {
    const form = await this.form(some.map(({ name }) => name)).catch((problem) => {
      this.left.unshift(...some);
      throw problem;
    });
    const queue = [...some];
    await Promise.all(Array.from({ length: TOGETHER }, async () => {
      while (queue.length && !this.stopping.signal.aborted) await this.one(queue.shift(), form);
    }));
    this.left.unshift(...queue);
  }

  async form(names) {
    const form = await post(`batches/${this.batchId}/uploads`, { names });
    return { ...form, until: Date.now() + FORM_MS };
  }

  async one(image, form) {
    let same = false;
    try {
      const there = form.present[image.name];
      const digest = hex(await crypto.subtle.digest("SHA-256", await image.file.arrayBuffer()));
      same = there?.size_bytes === image.file.size && there.sha256 === digest;
      if (!same) await this.send(image, form, digest);
      this[same ? "known" : "sent"] += 1;
      this.bytes += image.file.size;
    } catch (error) {
      if (this.stopping.signal.aborted) this.left.push(image);
      else {
        this.failed.push(image);
        this.error = error.message;
      }
    }
    this.progress({ done: this.sent + this.known, total: this.total, bytes: this.bytes, allBytes: this.allBytes });
  }

  async send(image, form, digest) {
    for (let attempt = 1; ; attempt += 1) {
      if (Date.now() > form.until) Object.assign(form, await this.form([]), { present: form.present });
      try {
        await this.put(image, form, digest);
        return;
      } catch (error) {
        if (attempt === TRIES || this.stopping.signal.aborted || error.final) throw error;
        await pause(500 * 2 ** attempt);
      }
    }
  }

  async put(image, form, digest) {
    const data = new FormData();
    for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
    data.append("key", form.key_prefix + image.name);
    data.append("Content-Type", image.type);
    data.append("x-amz-meta-sha256", digest);
    data.append("file", image.file);
    const answer = await fetch(form.url, { method: "POST", body: data, signal: this.stopping.signal });
    if (!answer.ok) {
      const final = answer.status === 400;
      throw Object.assign(new Error(`S3: ${answer.status} ${answer.statusText}`), { final });
    }
  }
}

function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** How the API writes a batch's name in addresses: as it is where it is plain, else in Base64. */
export function idOf(batch) {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(batch)) return batch;
  const text = String.fromCharCode(...new TextEncoder().encode(batch));
  return `~${btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}
