// A stand-in for the server, for working on the page and for its tests: docs/api.md over synthetic
// profiles. `node mock/server.mjs --dist DIR [--port N]`.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { parseArgs } from "node:util";

import * as heap from "./heap.mjs";
import { makeProfiles } from "./profiles.mjs";
import * as questions from "./questions.mjs";
import { acceptWebsocket } from "./websocket.mjs";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
// The same as the server's own, so that what it forbids fails here too.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const LIVE_EVERY_MS = 200;

const SOURCE = `def hash_password(password, salt):
    """Slow on purpose: that is what makes it safe."""
    rounds = 600_000
    digest = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
    return base64.b64encode(digest)
`;

export function startMock({ dist, port = 0 }) {
  const profiles = makeProfiles();
  const sockets = new Set();
  const state = { isDown: false, uploads: 0, requests: [] };

  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://mock");
    const send = (status, body, type = "application/json", more = {}) => {
      response.writeHead(status, { "Content-Type": type, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", ...more });
      response.end(body);
    };
    const refuse = (status, code, message) => send(status, JSON.stringify({ error: { code, message, detail: "" } }));
    if (state.isDown) return void request.socket.destroy();
    state.requests.push(`${request.method} ${url.pathname}${url.search}`);
    if (!url.pathname.startsWith("/api/")) return page(url, send);

    const parts = url.pathname.split("/").slice(3).map(decodeURIComponent);
    if (parts[0] === "shares") return send(200, JSON.stringify({ shares: [], reach: "network", is_open: false }));
    if (parts[0] !== "profiles") return refuse(404, "not_found", "no such question");
    if (parts.length === 1 && request.method === "GET") return list(url, send);
    if (parts.length === 1 && request.method === "POST") return upload(request, url, send, refuse);
    const profile = profiles.get(parts[1]);
    if (!profile) return refuse(404, "not_found", "there is no such profile");
    if (parts[2] === "notes" && request.method !== "GET") return changeNotes(profile, request, Number(parts[3]), send);
    if (request.method === "DELETE") {
      profiles.delete(parts[1]);
      return send(204, "");
    }
    answer(profile, parts[2] ?? "", url.searchParams, send, refuse);
  });

  function changeNotes(profile, request, number, send) {
    profile.notes ??= [];
    if (request.method === "DELETE") {
      profile.notes = profile.notes.filter((note) => note.number !== number);
      return send(204, "");
    }
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      const note = { function: null, from_s: null, to_s: null, ...JSON.parse(text), number: ++state.uploads, created_unix_ms: 1.75e12 };
      profile.notes.push(note);
      send(201, JSON.stringify(note));
    });
    return undefined;
  }

  function page(url, send) {
    const path = url.pathname.startsWith("/assets/") ? normalize(url.pathname) : "/index.html";
    try {
      const more = path === "/index.html" ? { "Content-Security-Policy": POLICY } : { "Cache-Control": "max-age=31536000, immutable" };
      send(200, readFileSync(join(dist, path)), TYPES[extname(path)], more);
    } catch {
      send(404, "not found", "text/plain");
    }
  }

  function list(url, send) {
    const q = (url.searchParams.get("q") ?? "").toLowerCase();
    const rows = [...profiles.values()]
      .filter((p) => !q || p.name.toLowerCase().includes(q))
      .map((p) => ({
        id: p.id,
        name: p.name,
        format: p.format,
        producer: p.producer,
        state: p.state(),
        created_unix_ms: p.created,
        duration_s: p.duration(),
        samples: p.isCallGraph || p.rows ? 0 : p.samples().length,
        bytes: 120_000,
        peak_rss_bytes: p.id === "day" || !p.series().length ? 0 : Math.max(...p.series()[0].v),
        shapes: p.shapes,
        tags: {},
        summary: p.summary,
      }));
    send(200, JSON.stringify({ profiles: rows, next: "" }));
  }

  function upload(request, url, send, refuse) {
    const name = url.searchParams.get("name") ?? "upload";
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("latin1");
      if (text.startsWith("junk")) return refuse(422, "unsupported", `${name}: no known format begins like this`);
      const id = `upload${++state.uploads}`;
      profiles.set(id, { ...profiles.get("pstats1"), id, name });
      send(201, JSON.stringify({ id, url: `/p/${id}`, format: "pstats", warnings: [] }));
    });
  }

  function answer(profile, question, query, send, refuse) {
    const json = (value) => send(200, JSON.stringify(value));
    const filter = questions.filterOf(query);
    switch (question) {
      case "":
        return json(describe(profile));
      case "flame":
        {
          const bytes = flame(profile, filter, query);
          if (!bytes) return refuse(422, "unsupported", "this profile does not say when its samples were taken");
          return send(200, bytes, "application/octet-stream");
        }
      case "table":
        return json(profile.isCallGraph ? callGraphTable(profile) : questions.table(profile, filter));
      case "callers": {
        const found = questions.callers(profile, filter, Number(query.get("function")));
        if (!found) return refuse(404, "not_found", "there is no such function");
        return json(profile.isCallGraph ? withCalls(profile, found) : found);
      }
      case "lines": {
        const id = Number(query.get("function"));
        const f = profile.functions.find((one) => one.id === id);
        const { columns } = profile.isCallGraph || profile.rows ? { columns: { id: [] } } : questions.table(profile, filter);
        const at = columns.id.indexOf(id);
        if (!f || at < 0) return json({ lines: [] });
        const [self, total] = [columns.self[at], columns.total[at]];
        return json({ lines: [{ line: f.line + 2, self: self * 0.1, total: total * 0.02 }, { line: f.line + 3, self: self * 0.9, total: total * 0.98 }] });
      }
      case "source": {
        const f = profile.functions.find((one) => one.id === Number(query.get("function")));
        if (f?.name !== "hash_password") return refuse(404, "not_found", "its source is not stored");
        return json({ file: f.file, first_line: f.line, text: SOURCE });
      }
      case "series":
        if (profile.id === "day") {
          profile.answers ??= new Map();
          const key = query.toString();
          if (!profile.answers.has(key)) profile.answers.set(key, JSON.stringify({ rev: 1, series: questions.series(profile, query) }));
          return send(200, profile.answers.get(key));
        }
        return json({ rev: profile.rev(), series: questions.series(profile, query) });
      case "notes":
        profile.notes ??= [];
        return json({ notes: profile.notes });
      case "alerts":
        return json({ alerts: profile.alerts ?? [] });
      case "spans":
        return json({ spans: profile.spans.filter((s) => s.begin_s < profile.duration()) });
      case "memory":
      case "leaks":
        if (!profile.heap) return refuse(422, "unsupported", "this profile does not tell allocations over time");
        return json(heap[question](profile, query));
      case "activity":
        return json(questions.activity(profile, query));
      default:
        return refuse(404, "not_found", "no such question");
    }
  }

  function flame(profile, filter, query) {
    if (profile.rows) {
      const total = 1_000_000_000;
      // Kept: how long the mock takes to make it says nothing about the page.
      return (profile.encoded ??= questions.encodeFlame(profile, profile.rows(), { rev: 1, value: "wall", unit: "ns", total: total * 3600, scale: 3600, samples: 1_000_000, from_s: 0, to_s: 3600, estimated: false, flags: false }));
    }
    if (query.get("order") === "time") {
      if (profile.isCallGraph) return null;
      const { rows, head } = questions.timeRows(profile, filter, 1e9 / profile.weightNs);
      return questions.encodeFlame(profile, rows, { rev: profile.rev(), value: "time", unit: "ns", samples: 0, estimated: false, flags: true, ...head });
    }
    const { root, samples } = questions.flameTree(profile, filter, query.get("invert") === "1");
    const rows = questions.rowsOf(root, profile.isCallGraph ? (node) => (profile.apportioned.has(node.fn) ? 1 : 0) : null);
    const scale = profile.isCallGraph ? 1e-4 : profile.weightNs;
    return questions.encodeFlame(profile, rows, {
      rev: profile.rev(),
      value: profile.isCallGraph ? "time" : "wall",
      unit: profile.isCallGraph ? "s" : "ns",
      total: root.weight * scale,
      scale,
      samples: profile.isCallGraph ? 0 : samples,
      from_s: Math.max(0, filter.from),
      to_s: Math.min(filter.to, profile.duration()),
      estimated: Boolean(profile.isCallGraph),
      flags: Boolean(profile.isCallGraph),
    });
  }

  function describe(profile) {
    const count = profile.isCallGraph || profile.rows ? 0 : profile.samples().length;
    return {
      id: profile.id,
      name: profile.name,
      state: profile.state(),
      rev: profile.rev(),
      format: profile.format,
      producer: profile.producer,
      mode: "wall",
      host: "shop-1",
      pid: 4100,
      argv: ["python3", "login.py"],
      runtime: profile.format === "heliograph" && profile.shapes.includes("stacks") ? "CPython 3.12.1" : "",
      created_unix_ms: profile.created,
      start_unix_ms: profile.created,
      duration_s: profile.duration(),
      rate_hz: profile.format === "heliograph" ? 100 : 0,
      shapes: profile.shapes,
      summary: profile.summary,
      values:
        profile.values ??
        (profile.shapes.includes("stacks")
          ? ["wall", "cpu"].map((key, i) => ({ key, set: "cpu", name: key, unit: "ns", total: count * profile.weightNs * (i ? 0.6 : 1), samples: count, default: i === 0, estimated: false }))
          : []),
      processes: [{ index: 0, pid: 4100, parent_pid: 1, command: "python3 login.py", runtime: "CPython 3.12.1", start_s: 0, end_s: 0 }],
      threads: profile.threads.map(({ index, process, tid, name }) => ({ index, process, tid, name, samples: count / profile.threads.length })),
      counters: { samples: count, ...profile.counters },
      notices: profile.notices,
      tags: {},
    };
  }

  function callGraphTable(profile) {
    const pick = (get) => profile.functions.map((f, i) => get(f, profile.stats[i]));
    return {
      rev: 1,
      shape: "call-graph",
      unit: "s",
      total: 12.31,
      samples_total: 0,
      rows: profile.functions.length,
      columns: {
        id: pick((f) => f.id),
        name: pick((f) => f.name),
        file: pick((f) => f.file),
        line: pick((f) => f.line),
        kind: pick((f) => f.kind),
        module: pick((f) => f.module),
        ncalls: pick((_, s) => s.ncalls),
        primitive_calls: pick((_, s) => s.primitive),
        tottime: pick((_, s) => s.tottime),
        cumtime: pick((_, s) => s.cumtime),
      },
    };
  }

  function withCalls(profile, found) {
    const exact = (row) => {
      const s = profile.stats[profile.functions.findIndex((f) => f.id === row.id)];
      return { ...row, self: s.tottime, total: s.cumtime, ncalls: s.ncalls };
    };
    return { ...found, function: exact(found.function), callers: found.callers.map(exact), callees: found.callees.map(exact) };
  }

  server.on("upgrade", (request, socket) => {
    const id = /^\/api\/v1\/live\/([^/?]+)/.exec(request.url)?.[1];
    const profile = profiles.get(id ?? "");
    if (!profile || state.isDown) return socket.destroy();
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const say = acceptWebsocket(request, socket, (text) => {
      const { next } = JSON.parse(text);
      const wait = () => {
        if (socket.destroyed) return;
        profile.advance?.();
        if (profile.rev() <= next && profile.state() === "live") return void setTimeout(wait, 20);
        const count = profile.samples().length;
        say(JSON.stringify({ rev: profile.rev(), state: profile.state(), duration_s: profile.duration(), samples: count, threads: 3, counters: profile.counters, summary: profile.summary, rss_bytes: 0 }));
      };
      setTimeout(wait, profile.advance ? 0 : LIVE_EVERY_MS);
    });
  });

  return new Promise((resolve) => {
    server.listen(port, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        profiles,
        state,
        /** As a server that is gone, until up(). */
        down() {
          state.isDown = true;
          for (const socket of sockets) socket.destroy();
        },
        up() {
          state.isDown = false;
        },
        close() {
          for (const socket of sockets) socket.destroy();
          server.closeAllConnections();
          return new Promise((done) => server.close(done));
        },
      }),
    );
  });
}

if (process.argv[1]?.endsWith("server.mjs")) {
  const { values } = parseArgs({ options: { dist: { type: "string" }, port: { type: "string", default: "7790" } } });
  const mock = await startMock({ dist: values.dist, port: Number(values.port) });
  console.log(mock.url);
}
