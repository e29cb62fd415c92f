// What became of the images of a batch, as a picture and in numbers.

import { get } from "./api.js";
import { h, pause, s } from "./dom.js";
import { n, t, told as saidOf } from "./words.js";

const KINDS = ["processed", "rejected", "missing"];

/** The receipt as a bar: found = processed + rejected + missing. */
export function receiptPicture(account) {
  const { found, balanced } = account;
  const equation = `${n(found)} ${t("found")} = ${KINDS.map((kind) => `${n(account[kind])} ${t(kind)}`).join(" + ")}`;
  let at = 0;
  const parts = KINDS.filter((kind) => account[kind]).map((kind) => {
    const width = Math.max((100 * account[kind]) / Math.max(found, 1), 0.8);
    const part = s("rect", { x: `${Math.min(at, 99.2)}%`, width: `${width}%`, height: "100%", class: `fill-${kind}` });
    at += width;
    return part;
  });
  return h("div", {},
    s("svg", { class: "receipt", role: "img", "aria-label": equation }, parts),
    h("ul", { class: "legend" },
      h("li", {}, h("b", {}, n(found)), ` ${t("found")} =`),
      KINDS.map((kind, i) => h("li", {}, h("span", { class: `swatch ${kind}` }), h("b", {}, n(account[kind])), ` ${t(kind)}${i < 2 ? " +" : ""}`))),
    h("p", { class: balanced ? "quiet" : "state-FAILED" }, t(balanced ? "balanced" : "unbalanced")));
}

/** What else is known of a run, and its files; of the newest also what its receipt alone says. */
export function facts(run, batchId, isNewest) {
  const took = run.changed_at - run.opened_at;
  const others = run.receipt ? run.files - run.receipt.found : 0;
  const rows = [
    [t("took"), took < 120 ? t("seconds", { count: Math.round(took) }) : t("minutes", { count: Math.round(took / 60) })],
    [t("cost"), cost(run.cost)],
    run.closed_because ? [t("closed"), saidOf(run.closed_because)] : null,
    run.pca_version ? [t("coordinates"), t("pcaVersion", { number: run.pca_version })] : null,
    others ? [t("others"), t("skipped", { count: others })] : null,
    [t("download"), downloads(run, batchId)],
  ];
  const list = h("dl", { class: "facts" }, terms(rows));
  if (isNewest) get(`batches/${batchId}/runs/${run.run}/receipt`).then((account) => list.append(...terms(told(account))), () => {}); // it may have expired
  return list;
}

function terms(rows) {
  return rows.filter(Boolean).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]);
}

function told(account) {
  const pages = account.with_more_pages;
  return [pages ? [t("morePages"), t("firstPages", { count: pages })] : null, drift(account.drift)];
}

/** Whether the run is like what was there before it. */
function drift(note) {
  if (!note || note.unlike === null) return null;
  if (!note.unlike) return [t("drift"), t("driftLike")];
  const times = n(note.distance / note.halves, { maximumFractionDigits: 1 });
  const [label, share] = Object.entries(note.labels)[0] ?? [];
  const words = t("driftUnlike", { times });
  return [t("drift"), label ? `${words} ${t("driftLabel", { label, share: n(share, { style: "percent" }) })}` : words];
}

function cost(told) {
  if (!told) return t("costLater");
  const amount = n(told.amount, { style: "currency", currency: told.currency, maximumFractionDigits: 4 });
  return t("costDetail", { amount, vcpu: n(told.vcpu_hours, { maximumFractionDigits: 3 }), memory: n(told.memory_gb_hours, { maximumFractionDigits: 3 }) });
}

function downloads(run, batchId) {
  const names = { csv: "csv", receipt: "receipt", coordinates: "coordinatesFile", features: "features", rejected: "rejectedFile", skipped: "skippedFile" };
  return h("span", { class: "row" }, Object.entries(names).map(([kind, word]) => h("button", { type: "button", onclick: ({ currentTarget: button }) => fetchFiles(kind, run, batchId).catch((problem) => sayAfter(button, problem.message)) }, t(word))));
}

function sayAfter(button, text) {
  if (button.nextSibling?.role === "alert") button.nextSibling.remove();
  button.after(h("span", { role: "alert" }, text));
}

/** Links live for minutes, so they are asked for when they are wanted. */
async function fetchFiles(kind, run, batchId) {
  const { files } = await get(`batches/${batchId}/runs/${run.run}/files`);
  const wanted = files.filter((file) => file.kind === kind);
  if (!wanted.length) throw new Error(t("noFiles"));
  for (const { url } of wanted) {
    h("a", { href: url, download: "" }).click();
    await pause(300);
  }
}
