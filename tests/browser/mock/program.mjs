// A program that never ran: a web service whose time goes where the comments say, made from a
// seed, so that tests know the numbers. Samples at 100 Hz for each of its threads.

export const RATE_HZ = 100;

const FUNCTIONS = [];
const ids = new Map();

/** kind: 0 Python, 1 native, 2 builtin, 4 GC, 5 idle */
function fn(name, file, line, module, kind = 0) {
  const key = `${name}@${file}`;
  if (!ids.has(key)) {
    ids.set(key, FUNCTIONS.length);
    FUNCTIONS.push({ id: 100 + FUNCTIONS.length * 3, name, file, line, module, kind });
  }
  return ids.get(key);
}

const APP = "/srv/shop/";
const LIB = "/usr/lib/python3.12/";
const SITE = "/srv/shop/.venv/lib/python3.12/site-packages/";

const main = fn("<module>", `${APP}login.py`, 1, "__main__");
const serve = fn("serve", `${APP}login.py`, 88, "__main__");
const handle = fn("Handler.handle_one_request", `${APP}shop/http.py`, 40, "shop.http");
const login = fn("login", `${APP}login.py`, 31, "__main__");
const hash = fn("hash_password", `${APP}login.py`, 12, "__main__");
const pbkdf2 = fn("pbkdf2_hmac", "libcrypto.so.3", 0, "_hashlib", 1);
const sha = fn("sha256_block_data_order_avx2", "libcrypto.so.3", 0, "_hashlib", 1);
const session = fn("load_session", `${APP}shop/session.py`, 22, "shop.session");
const loads = fn("loads", `${LIB}json/__init__.py`, 299, "json");
const decode = fn("JSONDecoder.decode", `${LIB}json/decoder.py`, 332, "json.decoder");
const rawDecode = fn("JSONDecoder.raw_decode", `${LIB}json/decoder.py`, 343, "json.decoder");
const scanOnce = fn("scan_once", "~", 0, "_json", 2);
const render = fn("render_page", `${APP}shop/pages.py`, 60, "shop.pages");
const tmplRender = fn("Template.render", `${SITE}jinja2/environment.py`, 1269, "jinja2.environment");
const tmplRoot = fn("root", "<template>", 8, "jinja2.runtime");
const tmplBlock = fn("block_basket", "<template>", 31, "jinja2.runtime");
const escape = fn("escape", `${SITE}markupsafe/__init__.py`, 50, "markupsafe");
const macro = fn("Macro._invoke", `${SITE}jinja2/runtime.py`, 776, "jinja2.runtime");
const dbQuery = fn("orders_of", `${APP}shop/orders.py`, 17, "shop.orders");
const execute = fn("Session.execute", `${SITE}sqlalchemy/orm/session.py`, 2306, "sqlalchemy.orm");
const connExec = fn("Connection._execute_context", `${SITE}sqlalchemy/engine/base.py`, 1843, "sqlalchemy.engine");
const compile = fn("Compiled.process", `${SITE}sqlalchemy/sql/compiler.py`, 930, "sqlalchemy.sql");
const visit = fn("SQLCompiler.visit_select", `${SITE}sqlalchemy/sql/compiler.py`, 4612, "sqlalchemy.sql");
const cursorExec = fn("Cursor.execute", "~", 0, "sqlite3", 2);
const step = fn("sqlite3_step", "libsqlite3.so.0", 0, "sqlite3", 1);
const walk = fn("walk_tree", `${APP}shop/catalog.py`, 9, "shop.catalog");
const price = fn("price_of", `${APP}shop/catalog.py`, 30, "shop.catalog");
const regex = fn("Pattern.match", "~", 0, "re", 2);
const logging = fn("Logger.info", `${LIB}logging/__init__.py`, 1529, "logging");
const emit = fn("StreamHandler.emit", `${LIB}logging/__init__.py`, 1142, "logging");
const gc = fn("garbage collection", "", 0, "", 4);
const bootstrap = fn("Thread._bootstrap", `${LIB}threading.py`, 1030, "threading");
const run = fn("Thread.run", `${LIB}threading.py`, 1010, "threading");
const worker = fn("worker", `${APP}shop/jobs.py`, 14, "shop.jobs");
const thumbs = fn("make_thumbnail", `${APP}shop/jobs.py`, 41, "shop.jobs");
const resize = fn("Image.resize", `${SITE}PIL/Image.py`, 2200, "PIL.Image");
const resample = fn("ImagingResample", "_imaging.so", 0, "PIL", 1);
const convert = fn("Image.convert", `${SITE}PIL/Image.py`, 980, "PIL.Image");
const wait = fn("Condition.wait", `${LIB}threading.py`, 327, "threading");
const queueGet = fn("Queue.get", `${LIB}queue.py`, 154, "queue");
const csvRows = fn("export_rows", `${APP}shop/report.py`, 12, "shop.report");
const strftime = fn("datetime.strftime", "~", 0, "datetime", 2);

const request = [main, serve, handle];
const db = [...request, dbQuery, execute, connExec];

/** [share, stack, state]; state: 1 on CPU, 2 GIL, 4 wants GIL, 8 GC */
const MAIN_WORK = [
  [34, [...request, login, hash, pbkdf2, sha], 1],
  [10, [...request, login, hash, pbkdf2], 1],
  [3, [...request, login, hash], 3],
  [2, [...request, login], 3],
  [7, [...request, session, loads, decode, rawDecode, scanOnce], 3],
  [2, [...request, session, loads, decode, rawDecode], 3],
  [1, [...request, session, loads, decode], 3],
  [1, [...request, session], 3],
  [5, [...request, render, tmplRender, tmplRoot, tmplBlock, macro, escape], 3],
  [4, [...request, render, tmplRender, tmplRoot, tmplBlock, macro], 3],
  [2, [...request, render, tmplRender, tmplRoot, tmplBlock], 3],
  [2, [...request, render, tmplRender, tmplRoot], 3],
  [1, [...request, render, tmplRender], 3],
  [5, [...db, cursorExec, step], 1],
  [2, [...db, cursorExec], 3],
  [3, [...db, compile, visit, visit, visit], 3],
  [2, [...db, compile, visit], 3],
  [1, [...db], 3],
  [2, [...request, walk, walk, walk, price], 3],
  [2, [...request, walk, walk, walk, walk, price, regex], 3],
  [1, [...request, walk, walk], 3],
  [1, [...request, logging, emit], 3],
  [1, [...request, render, csvRows, strftime], 3],
  [2, [...request, render, gc], 9],
  [4, [...request], 4],
];

const POOL_WORK = [
  [20, [bootstrap, run, worker, thumbs, resize, resample], 1],
  [6, [bootstrap, run, worker, thumbs, convert], 3],
  [5, [bootstrap, run, worker, csvRows, strftime], 3],
  [4, [bootstrap, run, worker, csvRows], 4],
  [65, [bootstrap, run, worker, queueGet, wait], 0],
];

export const functions = FUNCTIONS;
export const threads = [
  { index: 0, process: 0, tid: 4100, name: "MainThread", work: MAIN_WORK },
  { index: 1, process: 0, tid: 4107, name: "worker-0", work: POOL_WORK },
  { index: 2, process: 0, tid: 4108, name: "worker-1", work: POOL_WORK },
];

function random(seed) {
  let x = seed >>> 0;
  return () => {
    x = (Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    let y = Math.imul(x ^ (x >>> 12), 0x297a2d39);
    y ^= y >>> 15;
    return (y >>> 0) / 4294967296;
  };
}

/** Between 8 and 14 s nobody logs in and the report is written: other windows, other numbers. */
function isReportTime(t) {
  return t % 24 >= 8 && t % 24 < 14;
}

export function makeSamples(thread, fromTick, toTick) {
  const samples = [];
  for (let tick = fromTick; tick < toTick; tick++) {
    const t = tick / RATE_HZ;
    const dice = random(tick * 31 + thread.index * 7919 + 5);
    dice();
    const isReport = isReportTime(t);
    const work = thread.work.map(([share, stack, state]) => {
      if (thread.index === 0 && isReport && stack.includes(login)) return [share * 0.05, stack, state];
      if (thread.index === 0 && isReport && stack.includes(csvRows)) return [share * 40, stack, state];
      return [share, stack, state];
    });
    let sum = 0;
    for (const [share] of work) sum += share;
    let at = dice() * sum;
    const chosen = work.find(([share]) => (at -= share) < 0) ?? work[0];
    samples.push({ t, thread: thread.index, stack: chosen[1], state: chosen[2] });
  }
  return samples;
}

const MIB = 1024 * 1024;

/** Memory climbs while the report is held, and falls when it has been sent. */
export function rssAt(t) {
  const phase = t % 24;
  const ripple = Math.sin(t * 9) * 1.5 + Math.sin(t * 2.3) * 3;
  const base = 96 + 22 * (1 - Math.exp(-t / 3));
  const report = phase < 8 ? 0 : phase < 14 ? ((phase - 8) / 6) * 188 : phase < 15 ? 188 * (15 - phase) : 0;
  return Math.round((base + ripple + report) * MIB);
}

export function cpuAt(t) {
  return Math.round((112 + Math.sin(t * 3) * 9 + Math.sin(t * 17) * 5 - (isReportTime(t) ? 24 : 0)) * 10) / 10;
}

export const spans = [
  { name: "report.write", begin_s: 8, end_s: 14, process: 0, thread: 0, begin_value: 120 * MIB, end_value: 306 * MIB, level: 0 },
];
