/** Numbers as people read them. Nothing here rounds what is compared or computed with. */

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** In twos, as the terminal's report and the summary write them. */
export function formatBytes(bytes: number): string {
  const sign = bytes < 0 ? "−" : "";
  let amount = Math.abs(bytes);
  let step = 0;
  while (amount >= 1023.5 && step < BYTES.length - 1) {
    amount /= 1024;
    step++;
  }
  return `${sign}${significant(amount, step === 0 ? 0 : 3)} ${BYTES[step]}`;
}

/** Three significant digits without exponent or trailing dot: 1234, 123, 12.3, 1.23, 0.012. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(Math.max(1, digits))))));
  const decimals = Math.max(0, Math.min(6, digits - 1 - size));
  const text = value.toFixed(decimals);
  return decimals > 0 && digits !== 3 ? text.replace(/\.?0+$/, "") : text;
}

export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${significant(seconds * 1e9)} ns`;
  if (size < 1e-3) return `${significant(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${significant(seconds * 1e3)} ms`;
  if (size < 100) return `${significant(seconds)} s`;
  return formatClock(seconds);
}

/** 0:07, 12:34, 1:02:03 and 2 d 03:04. */
export function formatClock(seconds: number): string {
  const whole = Math.floor(Math.max(0, seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const days = Math.floor(whole / 86400);
  const hours = Math.floor(whole / 3600) % 24;
  const minutes = Math.floor(whole / 60) % 60;
  if (days > 0) return `${days} d ${two(hours)}:${two(minutes)}`;
  if (hours > 0) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return `${minutes}:${two(whole % 60)}`;
}

export function formatCount(count: number): string {
  if (!Number.isFinite(count)) return "–";
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** For tight places: 950, 12.3 k, 4.56 M. */
export function formatShort(count: number): string {
  const size = Math.abs(count);
  if (size < 10000) return formatCount(count);
  if (size < 1e6) return `${significant(count / 1e3)} k`;
  if (size < 1e9) return `${significant(count / 1e6)} M`;
  return `${significant(count / 1e9)} G`;
}

export function formatPercent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  const percent = share * 100;
  if (percent !== 0 && Math.abs(percent) < 0.01) return "<0.01 %";
  if (Math.abs(percent) >= 99.95) return `${percent.toFixed(0)} %`;
  return `${percent.toFixed(Math.abs(percent) < 10 ? 2 : 1)} %`;
}

/** An amount of a value type: the unit decides how it is written. */
export function formatAmount(amount: number, unit: string): string {
  switch (unit) {
    case "ns":
    case "nanoseconds":
      return formatSeconds(amount / 1e9);
    case "us":
    case "µs":
    case "microseconds":
      return formatSeconds(amount / 1e6);
    case "ms":
    case "milliseconds":
      return formatSeconds(amount / 1e3);
    case "s":
    case "seconds":
      return formatSeconds(amount);
    case "bytes":
    case "byte":
    case "B":
      return formatBytes(amount);
    case "%":
    case "percent":
      return `${significant(amount)} %`;
    case "":
    case "count":
    case "samples":
      return formatCount(amount);
    default:
      return `${formatShort(amount)} ${unit}`;
  }
}

export function isTimeUnit(unit: string): boolean {
  return /^(ns|us|µs|ms|s|(nano|micro|milli)?seconds)$/.test(unit);
}

/** "login.py:12"; only the last part of the path, the whole one is in the detail. */
export function formatPlace(file: string, line: number): string {
  if (!file) return "";
  if (file === "~") return "built-in"; // as cProfile writes it
  const short = shortFile(file);
  return line > 0 ? `${short}:${line}` : short;
}

/** The last two parts of a path for __init__ and __main__ files, else the last one. */
export function shortFile(file: string): string {
  const parts = file.split("/");
  const last = parts[parts.length - 1] ?? file;
  const before = parts[parts.length - 2];
  return /^__\w+__\.py$/.test(last) && before ? `${before}/${last}` : last;
}

/** Keeps both ends: "a_very_lo…er_name". */
export function ellipsize(text: string, room: number): string {
  if (text.length <= room) return text;
  if (room <= 1) return room === 1 ? "…" : "";
  const head = Math.ceil((room - 1) / 2);
  const tail = room - 1 - head;
  return `${text.slice(0, head)}…${tail > 0 ? text.slice(-tail) : ""}`;
}

export function formatAge(unixMs: number, nowMs: number): string {
  const seconds = Math.max(0, (nowMs - unixMs) / 1000);
  if (seconds < 45) return "just now";
  if (seconds < 90) return "a minute ago";
  if (seconds < 3600) return `${Math.round(seconds / 60)} minutes ago`;
  if (seconds < 5400) return "an hour ago";
  if (seconds < 86400) return `${Math.round(seconds / 3600)} hours ago`;
  if (seconds < 172800) return "yesterday";
  if (seconds < 86400 * 30) return `${Math.round(seconds / 86400)} days ago`;
  return new Date(unixMs).toISOString().slice(0, 10);
}
