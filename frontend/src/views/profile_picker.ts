import { listProfiles } from "../api/client";
import type { ProfileRow } from "../api/types";
import { safeName } from "../canvas/text";
import { formatAge } from "../model/format";
import { el, fill } from "../widgets/dom";
import { stateCard } from "../widgets/notice";

const ROWS = 60;
const PAUSE_MS = 150;

/** Asks which profile of the library; null = none after all. */
export function pickProfile(title: string, now: string): Promise<ProfileRow | null> {
  return new Promise((resolve) => {
    const abort = new AbortController();
    const search = el("input", { class: "field", type: "search", placeholder: "Search profiles", "aria-label": "Search profiles" });
    const list = el("ul", { class: "picker-list" });
    const close = el("button", { class: "button", type: "button" }, "Cancel");
    const dialog = el("dialog", { class: "picker", "aria-label": title }, el("h2", {}, title), search, list, close);
    const finish = (row: ProfileRow | null) => {
      abort.abort();
      dialog.close();
      dialog.remove();
      resolve(row);
    };
    const show = (rows: ProfileRow[]) => {
      if (!rows.length) {
        fill(list, el("li", {}, stateCard("empty", search.value ? "Nothing found" : "The library is empty", search.value ? "" : "Drop saved profiles on the first page.")));
        return;
      }
      fill(
        list,
        ...rows.map((row) => {
          const button = el(
            "button",
            { type: "button", "aria-current": row.id === now ? "true" : null },
            el("b", {}, safeName(row.name || row.id).slice(0, 200)),
            el("span", {}, `${safeName(row.format)}, ${formatAge(row.created_unix_ms, Date.now())}`),
            el("small", {}, safeName(row.summary).slice(0, 200)),
          );
          button.addEventListener("click", () => finish(row));
          return el("li", {}, button);
        }),
      );
    };
    let asking: AbortController | null = null;
    const ask = async () => {
      asking?.abort();
      const mine = (asking = new AbortController());
      try {
        show((await listProfiles({ q: search.value, limit: ROWS }, mine.signal)).profiles);
      } catch (cause) {
        if (!mine.signal.aborted) fill(list, el("li", {}, stateCard("bad", "The library could not be read", cause instanceof Error ? cause.message : "")));
      }
    };
    let timer = 0;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => void ask(), PAUSE_MS);
    });
    close.addEventListener("click", () => finish(null));
    dialog.addEventListener("cancel", () => finish(null));
    fill(list, el("li", {}, stateCard("loading", "Reading the library")));
    document.body.append(dialog);
    dialog.showModal();
    void ask();
  });
}
