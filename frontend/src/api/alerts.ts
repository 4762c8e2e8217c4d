import { askJson, sendJson } from "./client";

export type RuleKind = "rss" | "growth" | "share";

export interface Rule {
  number: number;
  name: string;
  kind: RuleKind;
  bound: number;
  window_s: number;
  program: string;
  function: string;
  /** Without its path, which is a secret. */
  webhook: string;
  is_signed: boolean;
  created_unix_ms: number;
}

export interface NewRule {
  name: string;
  kind: RuleKind;
  bound: number;
  window_s?: number;
  program: string;
  function: string;
  webhook: string;
  secret: string;
}

export interface RuleList {
  rules: Rule[];
  webhooks: { delivered: number; failed: number; retries: number; waiting: number; no_room: number };
  alerts_dropped: number;
}

export interface Alert {
  number: number;
  rule: number;
  rule_name: string;
  kind: RuleKind;
  profile: string;
  profile_name: string;
  function: string;
  text: string;
  at_s: number;
  value: number;
  baseline: number;
  bound: number;
  created_unix_ms: number;
  delivery: "none" | "waiting" | "delivered" | "failed";
  tries: number;
  answer: string;
}

export function listRules(): Promise<RuleList> {
  return askJson("/api/v1/rules");
}

export function addRule(rule: NewRule): Promise<Rule> {
  return sendJson("POST", "/api/v1/rules", rule);
}

export async function removeRule(number: number): Promise<void> {
  await sendJson("DELETE", `/api/v1/rules/${number}`);
}

export function testRule(number: number): Promise<{ is_delivered: boolean; answer: string }> {
  return sendJson("POST", `/api/v1/rules/${number}/test`);
}

export async function listAlerts(): Promise<Alert[]> {
  return (await askJson<{ alerts: Alert[] }>("/api/v1/alerts")).alerts;
}
