import { createShare, listShares, revokeShare, type Reach, type Share } from "../api/shares";
import { safeName } from "../canvas/text";
import { copyText, el, fill, icon } from "../widgets/dom";
import { toast } from "../widgets/notice";

const DAY = 86_400;
const PERIODS: [label: string, seconds: number | null][] = [
  ["1 hour", 3600],
  ["1 day", DAY],
  ["7 days", 7 * DAY],
  ["30 days", 30 * DAY],
  ["never", null],
];

function when(expires: number | null): string {
  if (expires === null) return "does not expire";
  const date = new Date(expires);
  return `until ${date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`;
}

function reachWords(reach: Reach): string {
  if (reach.reach === "this-machine")
    return "This server listens on this machine only, so nobody elsewhere can follow a link. Start it with --listen and a token, or put a proxy in front.";
  if (reach.is_open) return "This server asks nobody for a token: whoever can reach it sees everything, link or not.";
  return "";
}

/** Makes links that open this view without a token, and takes them back. */
class ShareDialog {
  private readonly period = el("select", { class: "field", id: "share-period" });
  private readonly redact = el("input", { type: "checkbox", id: "share-redact" });
  private readonly result = el("div", { class: "share-result", role: "status" });
  private readonly list = el("ul", { class: "share-list" });
  private readonly notice = el("p", { class: "share-notice", hidden: true });
  private readonly create = el("button", { class: "button main", type: "button" }, "Create link");
  private readonly dialog: HTMLDialogElement;

  constructor(
    private readonly profile: string,
    private readonly view: string,
  ) {
    PERIODS.forEach(([label, seconds]) =>
      this.period.append(el("option", { value: seconds ?? 0, selected: seconds === 7 * DAY }, label)),
    );
    const copyPage = el("button", { class: "button", type: "button" }, icon("copy"), "Copy this page's address");
    copyPage.addEventListener("click", () => void this.copy(location.href, "Address copied: it opens exactly this view"));
    const close = el("button", { class: "button", type: "button" }, "Close");
    this.create.addEventListener("click", () => void this.add());
    this.dialog = el(
      "dialog",
      { class: "share-dialog", "aria-labelledby": "share-title" },
      el("h2", { id: "share-title" }, "Share this view"),
      el("p", {}, "A link opens this profile as you see it now, to look and not to change, without a token."),
      el(
        "div",
        { class: "share-form" },
        el("label", { for: "share-period" }, "Expires after"),
        this.period,
        el("label", { class: "share-check" }, this.redact, el("span", {}, "Redacted: without folders, arguments, host names, tags and source lines")),
        this.create,
      ),
      this.result,
      this.notice,
      el("h3", {}, "Links to this profile"),
      this.list,
      el("div", { class: "share-ends" }, copyPage, close),
    );
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("close", () => this.dialog.remove());
  }

  open(): void {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.create.focus();
    void this.reload();
  }

  private async add(): Promise<void> {
    this.create.disabled = true;
    try {
      const seconds = Number(this.period.value);
      const made = await createShare(this.profile, {
        view: this.view,
        expires_s: seconds > 0 ? seconds : null,
        redact: this.redact.checked,
      });
      this.showLink(new URL(made.url, location.href).href);
      await this.reload();
    } catch (cause) {
      fill(this.result, el("p", { class: "share-bad" }, cause instanceof Error ? cause.message : "The link could not be made"));
    } finally {
      this.create.disabled = false;
    }
  }

  private showLink(url: string): void {
    const text = el("input", { class: "field", readonly: true, value: url, "aria-label": "The new link" });
    const copy = el("button", { class: "button", type: "button" }, icon("copy"), "Copy");
    copy.addEventListener("click", () => void this.copy(url, "Link copied"));
    fill(this.result, el("div", { class: "share-new" }, text, copy), el("p", {}, "It is shown only now: copy it."));
    text.focus();
    text.select();
  }

  private async copy(text: string, words: string): Promise<void> {
    toast((await copyText(text)) ? words : "The browser did not allow copying");
  }

  private async reload(): Promise<void> {
    try {
      const answer = await listShares(this.profile);
      this.notice.textContent = reachWords(answer);
      this.notice.hidden = !this.notice.textContent;
      fill(
        this.list,
        ...(answer.shares.length ? answer.shares.map((share) => this.row(share)) : [el("li", { class: "none" }, "None yet.")]),
      );
    } catch (cause) {
      fill(this.list, el("li", { class: "share-bad" }, cause instanceof Error ? cause.message : "The list could not be read"));
    }
  }

  private row(share: Share): HTMLElement {
    const revoke = el("button", { class: "button quiet", type: "button", "aria-label": `Revoke link ${share.number}` }, icon("trash"), "Revoke");
    revoke.addEventListener("click", () => void this.take(share.number, revoke));
    const view = new URLSearchParams(share.view).get("view") ?? "usual view";
    return el(
      "li",
      {},
      el("b", {}, `#${share.number}`),
      el("span", { class: "share-what" }, safeName(view), share.redacted ? el("span", { class: "chip" }, "redacted") : null),
      el("span", { class: "share-when" }, when(share.expires_unix_ms)),
      revoke,
    );
  }

  private async take(number: number, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      await revokeShare(number);
      toast("Revoked: the link opens nothing any more");
    } catch (cause) {
      toast(cause instanceof Error ? cause.message : "The link could not be revoked");
    }
    await this.reload();
  }
}

export function openShareDialog(profile: string, view: string): void {
  new ShareDialog(profile, view).open();
}
