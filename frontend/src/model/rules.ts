import type { NewRule, Rule, RuleKind } from "../api/alerts";
import { formatBytes } from "./format";

const MIB = 1 << 20;

export interface RuleForm {
  kind: RuleKind;
  name: string;
  /** As a person writes it: MiB, MiB a minute, percentage points. */
  amount: string;
  /** Seconds; "" = as usual. */
  window: string;
  program: string;
  function: string;
  webhook: string;
  secret: string;
}

export const UNITS: Record<RuleKind, string> = { rss: "MiB", growth: "MiB a minute", share: "points of the time" };

const seconds = (s: number) => (s >= 120 && s % 60 === 0 ? `${s / 60} min` : `${Number(s.toFixed(1))} s`);

/** What the rule watches for, as a sentence without its subject. */
export function ruleWords(rule: Pick<Rule, "kind" | "bound" | "window_s" | "function">): string {
  if (rule.kind === "rss") return `resident memory above ${formatBytes(rule.bound)}`;
  if (rule.kind === "growth") return `memory grows by more than ${formatBytes(rule.bound)} a minute, over ${seconds(rule.window_s)}`;
  const who = rule.function ? rule.function : "any function by itself";
  return `${who} takes ${Number((rule.bound * 100).toFixed(1))} points more of the time than before, in ${seconds(rule.window_s)}`;
}

/** The rule of a filled form, or the words for what is wrong with it. */
export function ruleOf(form: RuleForm): NewRule | string {
  const amount = Number(form.amount.replace(",", "."));
  if (!form.amount.trim() || !Number.isFinite(amount) || amount <= 0) return `Give a number of ${UNITS[form.kind]} above 0`;
  if (form.kind === "share" && amount >= 100) return "A share rises by less than 100 points";
  const window = Number(form.window);
  if (form.kind !== "rss" && form.window.trim() && !(window >= 1 && window <= 86400)) return "It is seen over 1 to 86400 seconds";
  if (form.secret && !form.webhook.trim()) return "A secret signs what is posted: give an address, too";
  const rule: NewRule = {
    name: form.name.trim(),
    kind: form.kind,
    bound: form.kind === "share" ? amount / 100 : amount * MIB,
    program: form.program.trim(),
    function: form.kind === "share" ? form.function.trim() : "",
    webhook: form.webhook.trim(),
    secret: form.secret,
  };
  if (form.kind !== "rss" && window) rule.window_s = window;
  if (!rule.name) rule.name = rule.kind === "rss" ? "Memory" : rule.kind === "growth" ? "Growth" : "Slower function";
  return rule;
}
