// One image, large, with those like it.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { alike, tile } from "./gallery.js";
import { thumbnail } from "./thumbs.js";
import { t } from "./words.js";

/** Show an image in the dialog; one that is like it takes its place when it is clicked. */
export async function openImage(dialog, image, everywhere = true) {
  const original = h("img", { class: "original", alt: image.path });
  const similar = h("div", {}, h("p", { class: "quiet" }, t("loading")));
  const close = h("button", { type: "button", onclick: () => dialog.close() }, t("close"));
  fill(dialog,
    h("div", { class: "row title" }, h("h2", { id: "image-title" }, image.path.split("/").pop()), close),
    h("div", { class: "shown" },
      h("div", {}, original, facts(image)),
      h("div", {}, h("h3", {}, t("similar")), scope(dialog, image, everywhere), similar)));
  if (!dialog.open) dialog.showModal();
  close.focus();
  await Promise.all([showOriginal(original, image), showSimilar(similar, dialog, image, everywhere)]);
}

function facts(image) {
  return h("dl", { class: "facts" },
    h("dt", {}, t("path")), h("dd", {}, image.path),
    h("dt", {}, t("labelOf")), h("dd", {}, image.label || t("noLabel")),
    h("dt", {}, t("batchOf")), h("dd", {}, `${image.batch}, ${t("run", { number: image.run })}`));
}

function scope(dialog, image, everywhere) {
  const choose = h("select", { ariaLabel: t("similar"), onchange: () => openImage(dialog, image, choose.value === "all") },
    h("option", { value: "all", selected: everywhere }, t("all")),
    h("option", { value: "here", selected: !everywhere }, t("here")));
  return choose;
}

async function showOriginal(element, image) {
  const small = thumbnail(image);
  const address = await small;
  if (address) element.src = address;
  const gone = () => element.after(h("p", { class: "quiet" }, t("noOriginal")));
  try {
    const { url } = await get("original", { path: image.path });
    const large = new Image();
    large.onload = () => { element.src = url; };
    large.onerror = gone;
    large.src = url;
  } catch {
    gone();
  }
}

async function showSimilar(panel, dialog, image, everywhere) {
  const where = everywhere ? {} : { batch: image.id };
  try {
    const { similar } = await get("similar", { path: image.path, count: 12, ...where });
    const tiles = similar.map((other) => h("li", {}, tile(other, () => openImage(dialog, other, everywhere),
      h("div", { class: "quiet" }, other.same_content ? t("same") : alike(other.cosine)))));
    fill(panel, h("ul", { class: "tiles" }, tiles));
  } catch (problem) {
    fill(panel, h("p", {}, problem.message));
  }
}
