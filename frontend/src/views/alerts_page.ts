import { addRule, listAlerts, listRules, removeRule, testRule, type Alert, type Rule, type RuleKind, type RuleList } from "../api/alerts";
import { safeName } from "../canvas/text";
import { formatAge, formatClock } from "../model/format";
import { ruleOf, ruleWords, UNITS } from "../model/rules";
import { el, fill, icon } from "../widgets/dom";
import { stateCard, toast } from "../widgets/notice";
import { logo, themeSwitch } from "./header_view";

const REFRESH_MS = 3000;
const KINDS: [RuleKind, string][] = [
  ["rss", "Memory is above"],
  ["growth", "Memory grows by more than"],
  ["share", "A function takes more of the time than before, by"],
];
const USUAL: Record<RuleKind, { amount: string; window: string }> = {
  rss: { amount: "1024", window: "" },
  growth: { amount: "50", window: "300" },
  share: { amount: "20", window: "60" },
};

const wordsOf = (cause: unknown, otherwise: string) => (cause instanceof Error ? cause.message : otherwise);

/** What to be told of while programs run, where it is posted to, and what was found. */
class AlertsPage {
  private readonly abort = new AbortController();
  private readonly kind = el("select", { class: "field", id: "rule-kind" });
  private readonly amount = el("input", { class: "field number", id: "rule-amount", inputmode: "decimal", required: true, autocomplete: "off", "aria-describedby": "rule-unit" });
  private readonly unit = el("span", { class: "rule-unit", id: "rule-unit" });
  private readonly name = el("input", { class: "field", id: "rule-name", maxlength: 100, autocomplete: "off", placeholder: "Memory of the shop" });
  private readonly program = el("input", { class: "field", id: "rule-program", maxlength: 100, autocomplete: "off", placeholder: "every program", spellcheck: "false" });
  private readonly fn = el("input", { class: "field mono", id: "rule-function", maxlength: 100, autocomplete: "off", placeholder: "any", spellcheck: "false" });
  private readonly webhook = el("input", { class: "field", id: "rule-webhook", type: "url", maxlength: 2000, autocomplete: "off", placeholder: "https://… (nobody is told)" });
  private readonly secret = el("input", { class: "field", id: "rule-secret", type: "password", maxlength: 100, autocomplete: "new-password", placeholder: "unsigned" });
  private readonly fnField = el("div", { class: "rule-field" }, el("label", { for: "rule-function" }, "Function"), this.fn);
  private readonly period = el("input", { class: "field number", id: "rule-window", inputmode: "numeric", autocomplete: "off" });
  private readonly periodField = el("div", { class: "rule-field" }, el("label", { for: "rule-window" }, "Seen over seconds"), this.period);
  private readonly problem = el("p", { class: "share-bad", role: "alert" });
  private readonly add = el("button", { class: "button main", type: "submit" }, "Add rule");
  private readonly rules = el("div", { class: "rule-list" }, stateCard("loading", "Reading the rules"));
  private readonly health = el("p", { class: "hint", role: "status" });
  private readonly found = el("div", { class: "alert-list" });
  private shown = "";

  constructor() {
    document.title = "Alerts · Heliograph";
    for (const [kind, words] of KINDS) this.kind.append(el("option", { value: kind }, words));
    const field = (input: HTMLElement, label: string) => el("div", { class: "rule-field" }, el("label", { for: input.id }, label), input);
    const form = el(
      "form",
      { class: "rule-form", "aria-label": "New rule" },
      el("div", { class: "rule-field is-wide" }, el("label", { for: "rule-kind" }, "Tell me when"), el("div", { class: "rule-amount" }, this.kind, this.amount, this.unit)),
      this.periodField,
      this.fnField,
      field(this.program, "Of programs named or tagged"),
      field(this.name, "Name of the rule"),
      field(this.webhook, "Post to (webhook)"),
      field(this.secret, "Signing secret"),
      el("div", { class: "rule-ends" }, this.problem, this.add),
    );
    fill(
      document.body,
      el(
        "main",
        { class: "library alerts" },
        el("header", { class: "library-top" }, logo(), el("h1", {}, "Alerts"), themeSwitch(this.abort.signal, () => undefined)),
        form,
        el("h2", {}, "Rules"),
        this.rules,
        this.health,
        el("h2", {}, "What they found"),
        this.found,
      ),
    );
    const { signal } = this.abort;
    this.kind.addEventListener("change", () => this.suit(), { signal });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.take();
    }, { signal });
    this.suit();
    void this.refresh();
    const again = window.setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, REFRESH_MS);
    signal.addEventListener("abort", () => clearInterval(again));
  }

  /** The form as the chosen kind wants it. */
  private suit(): void {
    const kind = this.kind.value as RuleKind;
    this.unit.textContent = UNITS[kind];
    this.amount.value = USUAL[kind].amount;
    this.period.value = USUAL[kind].window;
    this.periodField.hidden = kind === "rss";
    this.fnField.hidden = kind !== "share";
    this.problem.textContent = "";
  }

  private async take(): Promise<void> {
    const rule = ruleOf({
      kind: this.kind.value as RuleKind,
      name: this.name.value,
      amount: this.amount.value,
      window: this.period.value,
      program: this.program.value,
      function: this.fn.value,
      webhook: this.webhook.value,
      secret: this.secret.value,
    });
    this.problem.textContent = typeof rule === "string" ? rule : "";
    if (typeof rule === "string") return;
    this.add.disabled = true;
    try {
      await addRule(rule);
      for (const input of [this.name, this.program, this.fn, this.webhook, this.secret]) input.value = "";
      toast("Added: it watches from now on");
      await this.refresh();
    } catch (cause) {
      this.problem.textContent = wordsOf(cause, "The rule could not be added");
    } finally {
      this.add.disabled = false;
    }
  }

  /** Who may look but not make rules sees what was found. */
  private async refresh(): Promise<void> {
    try {
      const alerts = await listAlerts();
      const rules = await listRules().catch((cause: unknown) => wordsOf(cause, ""));
      const key = JSON.stringify([alerts, rules, Math.floor(Date.now() / 30_000)]);
      if (key === this.shown) return;
      this.shown = key;
      if (typeof rules === "string") fill(this.rules, stateCard("empty", "Rules are the administrator's", rules));
      else this.showRules(rules);
      this.showAlerts(alerts);
    } catch (cause) {
      this.shown = "";
      fill(this.found, stateCard("bad", "The alerts could not be read", wordsOf(cause, "no answer"), "This page tries again by itself."));
    }
  }

  private showRules(list: RuleList): void {
    const focused = (document.activeElement as HTMLElement | null)?.getAttribute("aria-label");
    const { delivered, failed, retries, waiting, no_room } = list.webhooks;
    fill(
      this.rules,
      ...(list.rules.length ? list.rules.map((rule) => this.rule(rule)) : [stateCard("empty", "No rules yet", "A rule watches every program that reports to this server, and tells once when it comes true.")]),
    );
    const parts = [`${delivered} delivered`, `${failed + no_room} given up`, `${retries} tried again`, `${waiting} on their way`];
    this.health.textContent = delivered + failed + retries + waiting + no_room ? `Webhooks since this server started: ${parts.join(", ")}.` : "";
    if (list.alerts_dropped) this.health.append(` ${list.alerts_dropped} alerts could not be stored.`);
    if (focused) this.rules.querySelector<HTMLElement>(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  }

  private rule(rule: Rule): HTMLElement {
    const name = safeName(rule.name);
    const test = el("button", { class: "button", type: "button", "aria-label": `Test the webhook of ${name}`, hidden: !rule.webhook }, "Test");
    const remove = el("button", { class: "button quiet icon", type: "button", title: "Remove", "aria-label": `Remove ${name}` }, icon("trash"));
    test.addEventListener("click", () => void this.test(rule, test));
    remove.addEventListener("click", () => void this.remove(rule, remove));
    return el(
      "div",
      { class: "rule" },
      el("div", { class: "words" }, el("b", {}, name), el("div", {}, safeName(ruleWords(rule))), rule.program ? el("div", { class: "rule-about" }, `programs with “${safeName(rule.program)}”`) : null),
      el("div", { class: "rule-hook" }, rule.webhook ? el("span", { class: "mono" }, safeName(rule.webhook)) : "shown here only", rule.is_signed ? el("span", { class: "chip" }, "signed") : null),
      el("div", { class: "rule-buttons" }, test, remove),
    );
  }

  private async test(rule: Rule, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      const { is_delivered, answer } = await testRule(rule.number);
      toast(is_delivered ? `Delivered: ${answer}` : `Not delivered: ${answer}`);
    } catch (cause) {
      toast(wordsOf(cause, "It could not be tested"));
    } finally {
      button.disabled = false;
    }
  }

  private async remove(rule: Rule, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    try {
      await removeRule(rule.number);
      toast("Removed: what it found stays");
    } catch (cause) {
      toast(wordsOf(cause, "It could not be removed"));
      button.disabled = false;
    }
    await this.refresh();
  }

  private showAlerts(alerts: readonly Alert[]): void {
    if (!alerts.length) {
      fill(this.found, stateCard("empty", "Nothing yet", "Alerts stay here and on the memory plot of their profile."));
      return;
    }
    fill(
      this.found,
      el(
        "table",
        { class: "history-table" },
        el("thead", {}, el("tr", {}, ...["When", "What", "Rule", "Told"].map((text) => el("th", { scope: "col" }, text)))),
        el("tbody", {}, ...alerts.map((alert) => alertRow(alert))),
      ),
    );
  }
}

const TOLD: Record<Alert["delivery"], string> = { none: "shown here only", waiting: "on its way", delivered: "delivered", failed: "▲ not delivered" };

function alertRow(alert: Alert): HTMLElement {
  const tries = alert.tries > 1 ? `, ${alert.tries} tries` : "";
  const how = alert.answer ? ` (${safeName(alert.answer)}${tries})` : "";
  const when = el("time", { title: new Date(alert.created_unix_ms).toLocaleString() }, formatAge(alert.created_unix_ms, Date.now()));
  return el(
    "tr",
    { class: alert.delivery === "failed" ? "is-slower" : "" },
    el("td", {}, when),
    el("th", { scope: "row" }, el("a", { href: `/p/${encodeURIComponent(alert.profile)}` }, safeName(alert.text)), el("span", { class: "alert-at" }, ` at ${formatClock(alert.at_s)}`)),
    el("td", {}, safeName(alert.rule_name)),
    el("td", { class: "change" }, TOLD[alert.delivery] + how),
  );
}

export function openAlerts(): void {
  new AlertsPage();
}
