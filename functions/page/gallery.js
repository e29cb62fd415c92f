// Images as tiles: rejected ones, near duplicates, outliers.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { thumbnail } from "./thumbs.js";
import { n, reason, t } from "./words.js";

/** A button with an image's thumbnail and name; `open` is called with the image. */
export function tile(image, open, ...below) {
  return h("button", { type: "button", class: "tile", onclick: () => open(image) }, picture(image), h("div", {}, image.path.split("/").pop()), below);
}

function picture(image) {
  const box = h("div", { class: "picture", "aria-hidden": "true" }, "·");
  thumbnail(image).then((url) => fill(box, url ? h("img", { src: url, alt: "" }) : "∅"));
  return box;
}

/** The images that the runs of a batch could not process, with the reasons. */
export async function showRejected(panel, batch) {
  const left = batch.runs.filter(({ receipt }) => receipt && receipt.rejected + receipt.missing).map(({ run }) => ({ run, query: {} }));
  if (!left.length) return fill(panel, h("p", {}, t("noneRejected")));
  const list = h("ul", { class: "tiles" });
  const more = h("button", { type: "button", hidden: true }, t("more"));
  const trouble = h("p", { role: "alert" });
  fill(panel, list, more, trouble);
  const next = async () => {
    const [{ run, query }] = left;
    const page = await get(`batches/${batch.id}/runs/${run}/rejected`, query);
    if (page.next === null) left.shift(); // only what has come is passed over
    else left[0].query = { after: page.next };
    list.append(...page.rejected.map((image) => rejectedTile({ ...image, id: batch.id, run })));
    more.hidden = !left.length;
  };
  const failed = (problem) => fill(trouble, problem.message);
  more.addEventListener("click", () => next().then(() => fill(trouble), failed));
  await next();
}

function rejectedTile(image) {
  const detail = image.detail ? h("details", {}, h("summary", {}, t("details")), image.detail) : null;
  return h("li", {}, h("div", { class: "tile" }, picture(image), h("b", {}, image.path.split("/").slice(1).join("/")), h("div", { class: "state-FAILED" }, reason(image.reason)), detail));
}

/** Groups of near duplicates. */
export async function showDuplicates(panel, batch, open) {
  fill(panel, h("p", { class: "quiet" }, t("loading")));
  const { groups, cosine } = await get(`batches/${batch.id}/duplicates`);
  const shown = groups.slice(0, 100).map((group) => {
    const words = group.same_content ? "groupSame" : "groupNear";
    const tiles = group.images.slice(0, 24).map((image) => h("li", {}, tile(image, open)));
    return h("div", { class: "group" }, h("h3", {}, t(words, { count: group.images.length, cosine: n(group.cosine) })), h("ul", { class: "tiles" }, tiles));
  });
  fill(panel, shown.length ? shown : h("p", {}, t("noDuplicates", { cosine })));
}

/** The images that are least like any other. */
export async function showOutliers(panel, batch, open) {
  fill(panel, h("p", { class: "quiet" }, t("loading")));
  const { outliers } = await get(`batches/${batch.id}/outliers`, { count: 24 });
  const tiles = outliers.map((image) => h("li", {}, tile(image, open, h("div", { class: "quiet" }, alike(image.cosine)))));
  fill(panel, h("p", { class: "quiet" }, t("outliersHelp")), h("ul", { class: "tiles" }, tiles));
}

/** How alike two images are, in words. */
export function alike(cosine) {
  return t("alike", { percent: n(cosine, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }) });
}
