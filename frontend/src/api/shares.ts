import { askJson, sendJson, setApiBase } from "./client";

export interface Share {
  number: number;
  profile: string;
  name: string;
  view: string;
  redacted: boolean;
  created_unix_ms: number;
  expires_unix_ms: number | null;
}

/** Who can follow a link at all. */
export interface Reach {
  reach: "this-machine" | "network";
  is_open: boolean;
}

export interface SharedView {
  profile: string;
  view: string;
  redacted: boolean;
  expires_unix_ms: number | null;
}

export function listShares(profile: string): Promise<{ shares: Share[] } & Reach> {
  return askJson(`/api/v1/shares?profile=${encodeURIComponent(profile)}`);
}

export function createShare(
  profile: string,
  wish: { view: string; expires_s: number | null; redact: boolean },
): Promise<{ number: number; url: string } & Reach> {
  return sendJson("POST", `/api/v1/profiles/${encodeURIComponent(profile)}/shares`, wish);
}

export async function revokeShare(number: number): Promise<void> {
  await sendJson("DELETE", `/api/v1/shares/${number}`);
}

/** From here on every question goes by the link, whatever else this browser may do. */
export function openShare(secret: string): Promise<SharedView> {
  setApiBase(`/s/${encodeURIComponent(secret)}`);
  return askJson("/api/v1/share");
}
