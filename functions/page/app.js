// The page: drop, watch, look.

import { get, getNews } from "./api.js";
import { Detail } from "./detail.js";
import { fill, h } from "./dom.js";
import { Drop } from "./drop.js";
import { finishSignIn, isSignedIn, loadConfig, signOut } from "./signin.js";
import { languages, speak, spoken, standing, t } from "./words.js";

const BUSY_MS = 1500;
const QUIET_MS = 10_000;
const PAGE = 100; // batches
const MOST_BATCHES = 1000;
const LANGUAGE = "darkroom-language";

const element = (id) => document.getElementById(id);

class Page {
  constructor(config) {
    Object.assign(this, { batches: [], more: false, most: PAGE });
    this.detail = new Detail(element("detail"), element("image"));
    this.drop = new Drop(element("drop"), config, (id) => this.arrived(id));
    element("language").addEventListener("change", ({ target }) => this.speak(target.value));
    element("sign-out").addEventListener("click", signOut);
    element("image").addEventListener("click", ({ target, currentTarget }) => target === currentTarget && currentTarget.close());
    window.addEventListener("hashchange", () => this.look());
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    element("sign-out").hidden = !isSignedIn();
    this.look();
  }

  speak(language) {
    localStorage.setItem(LANGUAGE, language);
    speak(language);
    this.drop.show();
    this.detail.retell();
    this.list();
  }

  /** The batch that the address names; of a broken address what it says, which no batch is called. */
  get chosen() {
    const named = location.hash.replace(/^#\/?/, "");
    try {
      return decodeURIComponent(named);
    } catch {
      return named;
    }
  }

  arrived(id) {
    this.awaited = Date.now() + 30_000; // S3 tells of uploads a little late
    location.hash = `#/${id}`;
    this.look();
  }

  /** Ask how things stand, show it, and ask again later. */
  async look() {
    clearTimeout(this.next);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    try {
      const news = await getNews("batches", { most: this.most });
      if (turn !== this.turn) return;
      if (news) [this.batches, this.more] = [news.batches, news.next !== null];
      this.list();
      const told = this.batches.find(({ id }) => id === this.chosen) ?? (await this.unlisted());
      if (turn !== this.turn) return;
      if (told) await this.detail.update(told);
      else this.detail.clear(!this.chosen ? "choose" : Date.now() < this.awaited ? "arriving" : "noSuchBatch");
      trouble("");
    } catch (problem) {
      if (problem.status === undefined) console.error(problem); // not the API's, but a fault here
      trouble(problem.status ? problem.message : t("offline"));
    }
    if (turn !== this.turn || document.hidden) return;
    const busy = this.batches.some(({ newest }) => !newest.finished) || Date.now() < this.awaited;
    this.next = setTimeout(() => this.look(), busy ? BUSY_MS : QUIET_MS);
  }

  /** The batch that the address names, where it is none of those that changed last. */
  async unlisted() {
    if (!this.chosen || !this.more) return undefined;
    try {
      return await get(`batches/${encodeURIComponent(this.chosen)}`);
    } catch (problem) {
      if (problem.status === 404) return undefined;
      throw problem;
    }
  }

  list() {
    const stamp = JSON.stringify([this.chosen, spoken(), this.more, this.batches.map(({ id, newest }) => [id, standing(newest)])]);
    if (stamp === this.listed) return; // or the focus would go
    this.listed = stamp;
    const items = this.batches.map(({ id, batch, newest }) => h("li", {},
      h("a", { href: `#/${id}`, "aria-current": id === this.chosen ? "true" : undefined },
        h("b", {}, batch), h("br"), h("span", { class: `quiet state-${newest.state}` }, standing(newest)))));
    const more = h("li", {}, h("button", { type: "button", onclick: () => this.longer() }, t("more")));
    if (this.more) items.push(more);
    fill(element("batches"), items.length ? items : h("li", { class: "quiet" }, t("noBatches")));
  }

  longer() {
    this.most = Math.min(this.most + PAGE, MOST_BATCHES);
    this.look();
  }
}

function trouble(text) {
  element("trouble").textContent = text;
  element("trouble").hidden = !text;
}

const wanted = localStorage.getItem(LANGUAGE) ?? navigator.language.slice(0, 2);
element("language").value = languages.includes(wanted) ? wanted : "en";
speak(wanted);
try {
  const config = await loadConfig();
  await finishSignIn();
  new Page(config);
} catch (problem) {
  trouble(t("cannotStart", { reason: problem.message }));
}
